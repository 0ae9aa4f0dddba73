//! `/apply`: a list of manifests, all of them or none.

use axum::Json;
use axum::extract::State;
use mcpd_api::manifest::{Context, parse_list};
use mcpd_api::problem::Code;
use mcpd_api::view::ApplyAnswer;
use serde::Deserialize;

use crate::apply::{LeftOut, Mode, Request, invalid};
use crate::http::api::Shared;
use crate::http::body::Document;
use crate::http::query::Query;
use crate::http::refusal::{Answer, Refusal};

/// How to apply.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct How {
    /// Whether nothing is written.
    #[serde(default)]
    dry_run: bool,
    /// Whether what an earlier apply made and this one leaves out is removed.
    #[serde(default)]
    prune: bool,
}

/// `POST /apply?dryRun=&prune=`: 200, for the list answers for each object; where one of them has a problem,
/// nothing was written, and the answer says `dryRun`.
pub(crate) async fn apply(
    State(api): Shared,
    Query(how): Query<How>,
    body: Document,
) -> Answer<Json<ApplyAnswer>> {
    let values = body.manifests()?;
    if values.is_empty() {
        return Err(Refusal::new(Code::NothingToApply, "the body holds no manifest"));
    }
    let manifests = parse_list(&values).map_err(|mistakes| invalid(&Context::default(), mistakes))?;
    let mode = if how.dry_run { Mode::DryRun } else { Mode::Write };
    let left_out = if how.prune { LeftOut::Prune } else { LeftOut::Keep };
    let outcome = api.desk.carry_out(Request::Apply { manifests, mode, left_out }).await?;
    Ok(Json(outcome.answer))
}
