//! `mcpctl events`: what happened, everywhere or to one server.

use mcpd_api::view::{EventView, ListView};

use super::get::print_one;
use super::view::View as _;
use crate::Session;
use crate::client::Follow;
use crate::environment::now;
use crate::output::instances::IsWide;
use crate::output::table::Table;
use crate::output::{Format, talk};
use crate::target::Target;
use crate::trouble::Done;

/// Arguments of `events`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mcpctl events
  mcpctl events demo -w")]
pub(crate) struct Args {
    /// Only those of this server
    #[arg(num_args = 0..=2, value_name = "SERVER")]
    target: Vec<String>,
    /// Go on and show what happens
    #[arg(short, long, visible_short_alias = 'f', visible_alias = "follow")]
    watch: bool,
    /// How they are shown
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) async fn run(args: Args, session: &Session) -> Done {
    let server = match args.target.as_slice() {
        [] => None,
        words => Some(Target::one(words)?.server()?),
    };
    let query: Vec<_> = server.as_deref().map(|server| ("server", server)).into_iter().collect();
    let mut table = Table::new(EventView::columns(IsWide::No), session.output.colours());
    // The stream is opened before the list is read, so that nothing falls in between.
    let changes = if args.watch { Some(open(&query, session).await?) } else { None };
    let list: ListView<EventView> = session.client.get("/events", &query).await?;
    show(&list, args.output, &mut table, session)?;
    match changes {
        Some(changes) => follow(changes, &list, args.output, &mut table, session).await,
        None => Ok(()),
    }
}

async fn open(query: &[(&str, &str)], session: &Session) -> Done<Follow> {
    let query = [query, &[("follow", "true")]].concat();
    session.client.follow("/events", &query).await.map(Follow::new)
}

fn show(list: &ListView<EventView>, format: Format, table: &mut Table, session: &Session) -> Done {
    match format {
        Format::Table | Format::Wide => {
            if list.items.is_empty() {
                talk("no events found");
            }
            let rows: Vec<_> = list.items.iter().map(|view| view.row(now(), IsWide::No)).collect();
            session.output.print(&table.render(&rows))
        }
        Format::Json => session.output.json(list),
        format => list
            .items
            .iter()
            .enumerate()
            .try_for_each(|(index, view)| print_one(view, format, index > 0, session)),
    }
}

async fn follow(
    mut changes: Follow,
    shown: &ListView<EventView>,
    format: Format,
    table: &mut Table,
    session: &Session,
) -> Done {
    while let Some(view) = changes.next::<EventView>().await? {
        if shown.items.contains(&view) {
            continue;
        }
        match format {
            Format::Table | Format::Wide => {
                session.output.print(&table.rows(&[view.row(now(), IsWide::No)]))?;
            }
            format => print_one(&view, format, true, session)?,
        }
    }
    Ok(())
}
