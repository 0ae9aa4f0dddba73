//! `get -w`: goes on after the table with one row for each change.

use std::collections::HashMap;

use mcpd_api::view::WatchMessage;

use super::get::{Found, Wanted, is_wide, print_one};
use super::view::View;
use crate::Session;
use crate::client::Follow;
use crate::environment::now;
use crate::output::Format;
use crate::output::table::Table;
use crate::resource::Resource;
use crate::trouble::{Done, Trouble};

/// Begins to listen for changes of this kind of thing.
pub(crate) async fn begin<V: View>(session: &Session) -> Done<Follow> {
    let lines = match V::RESOURCE {
        Resource::Servers | Resource::Instances => session.client.follow("/watch", &[]).await?,
        Resource::Events => session.client.follow("/events", &[("follow", "true")]).await?,
        other => return Err(Trouble::Usage(format!("{} cannot be watched", other.plural()))),
    };
    Ok(Follow::new(lines))
}

/// Shows each change until the daemon ends the stream. What was shown already, as the daemon repeats it at
/// the begin of a stream, is not shown twice.
pub(crate) async fn run<V: View>(
    mut changes: Follow,
    wanted: &Wanted,
    format: Format,
    table: &mut Table,
    shown: Vec<Found<V>>,
    session: &Session,
) -> Done {
    let mut known: HashMap<String, V> =
        shown.into_iter().map(|found| (found.view.name().to_owned(), found.view)).collect();
    while let Some(view) = next::<V>(&mut changes).await? {
        if known.get(view.name()) != Some(&view) && wanted.takes(&view) {
            show(&view, format, table, session)?;
        }
        known.insert(view.name().to_owned(), view);
    }
    Ok(())
}

/// The next change of this kind of thing; others are passed over.
async fn next<V: View>(changes: &mut Follow) -> Done<Option<V>> {
    if V::RESOURCE == Resource::Events {
        return changes.next().await;
    }
    while let Some(message) = changes.next::<WatchMessage>().await? {
        if let Some(view) = V::out_of(message) {
            return Ok(Some(view));
        }
    }
    Ok(None)
}

fn show<V: View>(view: &V, format: Format, table: &mut Table, session: &Session) -> Done {
    match format {
        Format::Table | Format::Wide => {
            let row = view.row(now(), is_wide(format));
            session.output.print(&table.rows(&[row]))
        }
        _ => print_one(view, format, true, session),
    }
}
