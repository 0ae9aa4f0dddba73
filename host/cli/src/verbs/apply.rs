//! `mcpctl apply`: makes what files say so.

use std::path::PathBuf;

use mcpd_api::problem::Problem;
use mcpd_api::view::{ApplyAction, ApplyAnswer, ApplyItem};

use super::manifests::{self, Sourced};
use crate::Session;
use crate::client::QUICK;
use crate::output::talk;
use crate::trouble::{Done, Trouble};

/// Arguments of `apply`.
#[derive(clap::Args)]
#[command(after_help = "\
All mistakes of all files are told at once, and nothing is written unless all of them are good.

Examples:
  mcpctl apply -f server.yaml -f secrets/
  mcpctl get server demo -o yaml | sed s/5/10/ | mcpctl apply -f -
  mcpctl apply -f all.yaml --prune --dry-run")]
pub(crate) struct Args {
    /// A file of manifests, a folder of such files, or - for stdin
    #[arg(short = 'f', long = "file", required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Remove what an earlier apply made and this one leaves out
    #[arg(long)]
    prune: bool,
}

pub(crate) async fn run(args: Args, session: &Session) -> Done {
    let sourced = manifests::read(&args.files)?;
    let body: Vec<_> = sourced.iter().map(|sourced| &sourced.manifest).collect();
    let path = format!("/apply?dryRun={}&prune={}", args.dry_run, args.prune);
    let answer: ApplyAnswer =
        session.client.post(&path, &body, QUICK).await.map_err(|trouble| in_files(trouble, &sourced))?;
    answer.items.iter().try_for_each(|item| tell(item, &answer, session))?;
    if answer.items.iter().any(|item| item.action == ApplyAction::Failed) {
        Err(Trouble::Said)
    } else {
        Ok(())
    }
}

fn tell(item: &ApplyItem, answer: &ApplyAnswer, session: &Session) -> Done {
    let thing = format!("{}/{}", item.kind, item.name);
    for warning in &item.warnings {
        talk(&format!("warning: {thing}: {warning}"));
    }
    if item.action == ApplyAction::Failed {
        let words = item.error.as_ref().map(|problem| Trouble::Answer(Box::new(problem.clone())).words());
        talk(&format!("{thing}: {}", words.unwrap_or_else(|| "error: it could not be written".to_owned())));
        return Ok(());
    }
    let dry = if answer.dry_run { " (dry run)" } else { "" };
    session.output.line(&format!("{thing} {}{dry}", item.action.as_str()))
}

/// The daemon counts the entries of the list; people count files and documents.
fn in_files(trouble: Trouble, sourced: &[Sourced]) -> Trouble {
    let Trouble::Answer(problem) = trouble else { return trouble };
    let Problem { mut errors, .. } = *problem.clone();
    for error in &mut errors {
        let Some((index, rest)) = error.path.strip_prefix('[').and_then(|path| path.split_once(']')) else {
            continue;
        };
        let Some(sourced) = index.parse().ok().and_then(|index: usize| sourced.get(index)) else { continue };
        error.path = format!("{}: {}", sourced.place, rest.trim_start_matches('.'));
        error.path.truncate(error.path.trim_end_matches([':', ' ']).len());
    }
    Trouble::Answer(Box::new(Problem { errors, ..*problem }))
}
