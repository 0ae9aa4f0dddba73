//! The layout of `describe`: labelled lines, then sections.

use jiff::Timestamp;
use mcpd_api::view::{Condition, ConditionStatus};

use crate::output::table::{Cell, Colour, Column, Table};
use crate::output::{age, tame};

/// As wide as the longest label and a gap.
const LABEL_WIDTH: usize = 15;

/// A page that grows.
pub(super) struct Sheet {
    lines: Vec<String>,
    colours: bool,
}

impl Sheet {
    pub(super) fn new(colours: bool) -> Self {
        Self { lines: Vec::new(), colours }
    }

    /// A labelled line; nothing where there is nothing to say.
    pub(super) fn field(&mut self, label: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        let label = if label.is_empty() { String::new() } else { format!("{label}:") };
        self.lines.push(format!("{label:LABEL_WIDTH$}{}", tame(value)));
    }

    /// A labelled moment with its age.
    pub(super) fn moment(&mut self, label: &str, at: Option<Timestamp>, now: Timestamp) {
        if let Some(at) = at {
            self.field(label, &format!("{at:.0} ({} ago)", age::precise(age::since(at, now))));
        }
    }

    /// A title with text below, indented.
    pub(super) fn section(&mut self, title: &str, text: &str) {
        self.lines.push(format!("\n{title}:"));
        self.lines.extend(text.lines().map(|line| format!("  {line}")));
    }

    /// A title with a table below; nothing where it has no rows.
    pub(super) fn table(&mut self, title: &str, columns: Vec<Column>, rows: &[Vec<Cell>]) {
        if !rows.is_empty() {
            let table = Table::new(columns, self.colours).render(rows);
            self.section(title, &table);
        }
    }

    pub(super) fn conditions(&mut self, conditions: &[Condition], now: Timestamp) {
        let columns = ["TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"].map(Column::new).into();
        let rows: Vec<_> = conditions.iter().map(|condition| condition_row(condition, now)).collect();
        self.table("Conditions", columns, &rows);
    }

    pub(super) fn finish(self) -> String {
        self.lines.join("\n") + "\n"
    }
}

fn condition_row(condition: &Condition, now: Timestamp) -> Vec<Cell> {
    let colour = match condition.status {
        ConditionStatus::True => Colour::Green,
        ConditionStatus::False => Colour::Red,
        ConditionStatus::Unknown => Colour::Yellow,
    };
    vec![
        condition.condition.as_str().into(),
        Cell::painted(condition.status.as_str(), colour),
        tame(&condition.reason).into(),
        age::short(age::since(condition.last_transition_at, now)).into(),
        tame(&condition.message).into(),
    ]
}
