//! `mcpctl config`: shows and changes the contexts of the configuration.

use std::path::PathBuf;

use clap::Subcommand;

use crate::endpoint::EndpointArgs;
use crate::endpoint::contexts::{Context, Contexts};
use crate::environment::Environment;
use crate::output::Output;
use crate::output::table::{Column, Table};
use crate::trouble::{Done, Trouble};

/// Arguments of `config`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mcpctl config set-context prod --url https://mcpd.example.com --token-file ~/.mcpd-token
  mcpctl config use-context prod
  mcpctl config get-contexts")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List the contexts
    GetContexts,
    /// Print the name of the current context
    CurrentContext,
    /// Make a context the current one
    UseContext {
        /// Its name
        name: String,
    },
    /// Write a context, with --url and --token or --token-file
    SetContext {
        /// Its name
        name: String,
        /// A file that holds the token
        #[arg(long, value_name = "FILE", conflicts_with = "token")]
        token_file: Option<PathBuf>,
    },
    /// Remove a context
    DeleteContext {
        /// Its name
        name: String,
    },
}

pub(crate) fn run(args: Args, endpoint: &EndpointArgs, environment: &Environment) -> Done {
    let mut contexts = Contexts::load(environment)?;
    let output = Output::new(environment);
    match args.verb {
        Verb::GetContexts => list(&contexts, &output),
        Verb::CurrentContext => match &contexts.current {
            Some(name) => output.line(name),
            None => Err(Trouble::NotFound("no context is the current one".to_owned())),
        },
        Verb::UseContext { name } => {
            known(&contexts, &name)?;
            contexts.current = Some(name);
            contexts.save(environment)
        }
        Verb::SetContext { name, token_file } => {
            let context = described(endpoint, token_file)?;
            contexts.by_name.insert(name, context);
            contexts.save(environment)
        }
        Verb::DeleteContext { name } => {
            known(&contexts, &name)?;
            contexts.by_name.remove(&name);
            contexts.current.take_if(|current| *current == name);
            contexts.save(environment)
        }
    }
}

fn described(endpoint: &EndpointArgs, token_file: Option<PathBuf>) -> Done<Context> {
    let (Some(url), token) = endpoint.said() else {
        return Err(Trouble::Usage("a context needs --url".to_owned()));
    };
    Ok(Context { url, token, token_file })
}

fn known(contexts: &Contexts, name: &str) -> Done {
    if contexts.by_name.contains_key(name) {
        return Ok(());
    }
    Err(Trouble::NotFound(format!("there is no context {name}: `mcpctl config get-contexts` lists them")))
}

fn list(contexts: &Contexts, output: &Output) -> Done {
    let mut table = Table::new(["CURRENT", "NAME", "URL"].map(Column::new).into(), output.colours());
    let row = |(name, context): (&String, &Context)| {
        let mark = if contexts.current.as_ref() == Some(name) { "*" } else { "" };
        vec![mark.into(), name.as_str().into(), context.url.as_str().into()]
    };
    output.print(&table.render(&contexts.by_name.iter().map(row).collect::<Vec<_>>()))
}
