//! What mcpd depends on as a table: store, runtimes, secret backends.

use jiff::Timestamp;

use super::table::{Cell, Colour, Column, Table};
use super::{age, tame};
use crate::view::{PartState, PartView};

/// A table of the parts, and below it what to do about those that fail.
pub fn page(parts: &[PartView], now: Timestamp, colours: bool) -> String {
    let columns = ["PART", "STATE", "SINCE", "MESSAGE"].map(Column::new).into();
    let rows: Vec<_> = parts.iter().map(|part| row(part, now)).collect();
    let hint = |part: &PartView| Some(format!("{}: {}\n", tame(&part.name), tame(part.hint.as_ref()?)));
    let hints: String = parts.iter().filter_map(hint).collect();
    let gap = if hints.is_empty() { "" } else { "\n" };
    Table::new(columns, colours).render(&rows) + gap + &hints
}

fn row(part: &PartView, now: Timestamp) -> Vec<Cell> {
    let colour = match part.state {
        PartState::Ok => Some(Colour::Green),
        PartState::Failing => Some(Colour::Red),
        PartState::Unneeded => None,
    };
    let state = part.state.as_str();
    let since = part.since.map(|at| age::short(age::since(at, now))).unwrap_or_default();
    vec![
        tame(&part.name).into(),
        colour.map_or_else(|| state.into(), |colour| Cell::painted(state, colour)),
        since.into(),
        tame(&part.message).into(),
    ]
}
