//! Events, with the thing they are about.

use mcpd_api::view::{Event, EventType, EventView};
use mcpd_core::event;
use mcpd_core::instance::Instance;

use crate::store::EventRow;

/// An event of the store.
pub(crate) fn event_of_row(row: &EventRow) -> EventView {
    EventView {
        server: Some(row.server.to_string()),
        instance: row.instance.as_ref().map(ToString::to_string),
        event: event_view(&row.event),
    }
}

/// The events of an instance, oldest first.
pub(crate) fn events_of(instance: &Instance) -> Vec<EventView> {
    let shown = |event: &event::Event| EventView {
        server: Some(instance.server.to_string()),
        instance: Some(instance.id.to_string()),
        event: event_view(event),
    };
    instance.events.iter().map(shown).collect()
}

/// What happened.
pub(super) fn event_view(event: &event::Event) -> Event {
    Event {
        event_type: match event.event_type {
            event::EventType::Normal => EventType::Normal,
            event::EventType::Warning => EventType::Warning,
        },
        reason: event.reason.clone(),
        message: event.message.clone(),
        count: event.count,
        timestamp: event.timestamp,
        last_timestamp: event.last_timestamp,
    }
}
