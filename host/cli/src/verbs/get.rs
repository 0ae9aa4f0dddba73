//! `mcpctl get`: lists things, or shows some of them.

use std::collections::HashSet;

use mcpd_api::view::{
    EventView, InstanceView, ListView, ProbeView, SecretBackendView, SecretView, ServerView,
};
use serde_json::Value;

use super::view::View;
use super::watch;
use crate::Session;
use crate::client::segment;
use crate::environment::now;
use crate::output::instances::IsWide;
use crate::output::table::Table;
use crate::output::{Format, talk};
use crate::resource::Resource;
use crate::selector::Selector;
use crate::target::{self, Target, Telling};
use crate::trouble::{Done, Trouble};

/// Arguments of `get`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mcpctl get servers
  mcpctl get instances -o wide -w
  mcpctl get server demo -o yaml > demo.yaml
  mcpctl get inst -l team=dev")]
pub(crate) struct Args {
    // Not a doc comment: rustdoc would take the brackets for links.
    #[arg(
        required = true,
        value_name = "KIND [NAME]",
        help = "A kind, and names of that kind: KIND [NAME]… or KIND/NAME…"
    )]
    what: Vec<String>,
    /// How it is shown
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// Go on and show what changes
    #[arg(short, long)]
    watch: bool,
    /// Only those with these labels: key=value, key!=value, key, !key, with commas between
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<Selector>,
}

pub(crate) async fn run(args: Args, session: &Session) -> Done {
    let (resource, names) = Target::several(&args.what)?;
    match resource {
        Resource::Servers => get::<ServerView>(&args, &names, session).await,
        Resource::Instances => get::<InstanceView>(&args, &names, session).await,
        Resource::Secrets => get::<SecretView>(&args, &names, session).await,
        Resource::SecretBackends => get::<SecretBackendView>(&args, &names, session).await,
        Resource::Probes => get::<ProbeView>(&args, &names, session).await,
        Resource::Events if names.is_empty() => get::<EventView>(&args, &names, session).await,
        Resource::Events => {
            Err(Trouble::Usage("an event has no name; see `mcpctl events SERVER`".to_owned()))
        }
    }
}

/// A view with the JSON it was read from, which may say more than this client knows.
pub(crate) struct Found<V> {
    pub(crate) value: Value,
    pub(crate) view: V,
}

/// What a `get` asks for, once its labels are looked up.
pub(crate) enum Wanted {
    All,
    Named(HashSet<String>),
    OfServers(HashSet<String>),
}

impl Wanted {
    pub(crate) fn takes(&self, view: &impl View) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(view.name()),
            Self::OfServers(servers) => view.server().is_some_and(|server| servers.contains(server)),
        }
    }
}

async fn get<V: View>(args: &Args, names: &[String], session: &Session) -> Done {
    // A watch begins to listen before it looks, so that nothing falls in between.
    let changes = if args.watch { Some(watch::begin::<V>(session).await?) } else { None };
    let (found, wanted) = fetch::<V>(args, names, session).await?;
    let mut table = Table::new(V::columns(is_wide(args.output)), session.output.colours());
    show(args, &found, names.len() == 1, &mut table, session)?;
    match changes {
        Some(changes) => watch::run(changes, &wanted, args.output, &mut table, found, session).await,
        None => Ok(()),
    }
}

async fn fetch<V: View>(args: &Args, names: &[String], session: &Session) -> Done<(Vec<Found<V>>, Wanted)> {
    if names.is_empty() {
        let wanted = match &args.selector {
            Some(selector) => Wanted::OfServers(servers_with(selector, V::RESOURCE, session).await?),
            None => Wanted::All,
        };
        let list: ListView<Value> = session.client.get(V::RESOURCE.path(), &[]).await?;
        let mut found = list.items.into_iter().map(read).collect::<Done<Vec<Found<V>>>>()?;
        found.retain(|found| wanted.takes(&found.view));
        return Ok((found, wanted));
    }
    if args.selector.is_some() {
        return Err(Trouble::Usage("labels select from all: leave the names out".to_owned()));
    }
    let mut found = Vec::new();
    for name in names {
        found.push(read(fetch_one::<V>(name, session).await?)?);
    }
    let names = found.iter().map(|found: &Found<V>| found.view.name().to_owned()).collect();
    Ok((found, Wanted::Named(names)))
}

async fn fetch_one<V: View>(name: &str, session: &Session) -> Done<Value> {
    let id = match V::RESOURCE {
        Resource::Instances => {
            let target = Target { resource: Some(Resource::Instances), name: name.to_owned() };
            target::instance(&session.client, &target, Telling::Worst).await?.id
        }
        _ => name.to_owned(),
    };
    session.client.get(&format!("{}/{}", V::RESOURCE.path(), segment(&id)), &[]).await
}

/// The names of the servers with these labels: only servers have any.
async fn servers_with(selector: &Selector, resource: Resource, session: &Session) -> Done<HashSet<String>> {
    if !matches!(resource, Resource::Servers | Resource::Instances | Resource::Events) {
        return Err(Trouble::Usage(format!("{} have no labels", resource.plural())));
    }
    let servers: ListView<ServerView> = session.client.get("/servers", &[]).await?;
    let has = |view: &&ServerView| view.spec().is_some_and(|spec| selector.matches(&spec.labels));
    Ok(servers.items.iter().filter(has).map(|view| view.name().to_owned()).collect())
}

fn read<V: View>(value: Value) -> Done<Found<V>> {
    match V::deserialize(&value) {
        Ok(view) => Ok(Found { value, view }),
        Err(error) => {
            let words = format!("a {} is not understood by this mcpctl: {error}", V::RESOURCE.singular());
            Err(Trouble::BadAnswer(words))
        }
    }
}

fn show<V: View>(
    args: &Args,
    found: &[Found<V>],
    is_single: bool,
    table: &mut Table,
    session: &Session,
) -> Done {
    match args.output {
        Format::Json if is_single => session.output.json(&found.first().map(|found| &found.value)),
        Format::Json => {
            let items: Vec<_> = found.iter().map(|found| &found.value).collect();
            session.output.json(&serde_json::json!({ "items": items }))
        }
        Format::Table | Format::Wide if found.is_empty() && !args.watch => {
            talk(&format!("no {} found", V::RESOURCE.plural()));
            Ok(())
        }
        Format::Table | Format::Wide => {
            let rows: Vec<_> =
                found.iter().map(|found| found.view.row(now(), is_wide(args.output))).collect();
            session.output.print(&table.render(&rows))
        }
        Format::Yaml | Format::Name => {
            let mut all = found.iter().enumerate();
            all.try_for_each(|(index, found)| print_one(&found.view, args.output, index > 0, session))
        }
    }
}

/// One view in a format that shows each by itself.
pub(crate) fn print_one<V: View>(view: &V, format: Format, is_further: bool, session: &Session) -> Done {
    match format {
        Format::Json => session.output.json(view),
        Format::Yaml => {
            let text = view.yaml().map_err(|error| Trouble::BadAnswer(error.to_string()))?;
            session.output.print(&format!("{}{text}", if is_further { "---\n" } else { "" }))
        }
        _ => session.output.line(&format!("{}/{}", V::RESOURCE.singular(), view.name())),
    }
}

pub(crate) fn is_wide(format: Format) -> IsWide {
    if format == Format::Wide { IsWide::Yes } else { IsWide::No }
}
