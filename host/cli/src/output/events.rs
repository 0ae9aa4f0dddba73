//! Events as a table.

use jiff::Timestamp;
use mcpd_api::view::{Event, EventType, EventView};

use super::table::{Cell, Colour, Column};
use super::{age, tame};

pub(crate) fn columns() -> Vec<Column> {
    ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"].map(Column::new).into()
}

pub(crate) fn row(view: &EventView, now: Timestamp) -> Vec<Cell> {
    let object = match (&view.server, &view.instance) {
        (Some(server), Some(instance)) => format!("{server}/{instance}"),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => "mcpd".to_owned(),
    };
    vec![
        seen(&view.event, now),
        kind(view.event.event_type),
        view.event.reason.as_str().into(),
        object.into(),
        message(&view.event).into(),
    ]
}

/// The columns for events of one instance, which need not name it.
pub(crate) fn own_row(event: &Event, now: Timestamp) -> Vec<Cell> {
    vec![seen(event, now), kind(event.event_type), event.reason.as_str().into(), message(event).into()]
}

fn seen(event: &Event, now: Timestamp) -> Cell {
    age::short(age::since(event.last_timestamp, now)).into()
}

fn kind(event_type: EventType) -> Cell {
    match event_type {
        EventType::Normal => "Normal".into(),
        EventType::Warning => Cell::painted("Warning", Colour::Yellow),
    }
}

fn message(event: &Event) -> String {
    let message = tame(&event.message);
    if event.count > 1 { format!("{message} (x{})", event.count) } else { message }
}
