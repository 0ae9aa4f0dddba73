//! `/instances/{id}/exec`: a command that a person runs beside a server, over a connection of its own.

mod carry;

use axum::body::Body;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use mcpd_api::FieldError;
use mcpd_api::bounds::{ARGUMENT_BYTES_MAX, ARGUMENTS_MAX};
use mcpd_api::exec::{self, TerminalSize};
use mcpd_api::problem::{Code, Problem};

use super::instances::get;
use crate::http::api::Shared;
use crate::http::body::Document;
use crate::http::query::Name;
use crate::http::refusal::{Answer, Refusal};
use crate::http::serve::Stay;
use crate::runtime::exec::Input;
use crate::runtime::{ExecRequest, TtySize};

/// `POST /instances/{id}/exec`: 101 when the command runs; its streams follow in frames.
pub(crate) async fn exec(State(api): Shared, Name(id): Name, mut request: Request) -> Answer<Response> {
    let cell = get(&api, &id)?;
    let upgrade = upgrade_of(&mut request);
    let body: exec::ExecRequest = Document::from_request(request, &()).await?.read()?;
    let wanted = wanted(body)?;
    let (stay, upgrade) = upgrade?;
    let run = api.engine.exec(&cell, wanted).await?;
    let end = api.end.clone();
    stay.spawn(async move {
        match upgrade.await {
            Ok(connection) => carry::carry(TokioIo::new(connection), run, end).await,
            Err(error) => tracing::debug!(%error, "a connection was not upgraded"),
        }
    });
    let headers = [(header::CONNECTION, "Upgrade"), (header::UPGRADE, exec::PROTOCOL)];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response())
}

/// What the request's connection can become, where it asks for that.
fn upgrade_of(request: &mut Request) -> Answer<(Stay, OnUpgrade)> {
    let asked = asks_for(request.headers(), exec::PROTOCOL);
    let extensions = request.extensions_mut();
    match (extensions.remove::<Stay>(), extensions.remove::<OnUpgrade>()) {
        (Some(stay), Some(upgrade)) if asked => Ok((stay, upgrade)),
        _ => {
            let words = format!("a command needs a connection that is upgraded to {}", exec::PROTOCOL);
            Err(Refusal::new(Code::UpgradeRequired, words))
        }
    }
}

fn asks_for(headers: &HeaderMap, protocol: &str) -> bool {
    let upgrades = headers.get_all(header::UPGRADE).into_iter().filter_map(|value| value.to_str().ok());
    upgrades.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(protocol))
}

/// The request in the runtime's words, refused with every mistake at once.
fn wanted(body: exec::ExecRequest) -> Answer<ExecRequest> {
    let errors: Vec<_> = command_mistakes(&body.command).chain(body.tty.and_then(size_mistake)).collect();
    if !errors.is_empty() {
        let problem = Problem::new(Code::InvalidRequest, "the command has mistakes");
        return Err(Problem { errors, ..problem }.into());
    }
    Ok(ExecRequest {
        command: body.command,
        tty: body.tty.map(|size| TtySize { columns: size.columns, rows: size.rows }),
        input: if body.stdin { Input::Open } else { Input::Closed },
    })
}

fn command_mistakes(command: &[String]) -> impl Iterator<Item = FieldError> {
    let whole = match command {
        [] => Some("must name a program".to_owned()),
        _ if command.len() > ARGUMENTS_MAX => Some(format!("must have {ARGUMENTS_MAX} entries at most")),
        _ => None,
    };
    let whole = whole.map(|words| mistake("command".to_owned(), words));
    let entries = command.iter().take(ARGUMENTS_MAX).enumerate().filter_map(|(index, word)| {
        let words = match word.as_str() {
            "" if index == 0 => "must not be empty".to_owned(),
            long if long.len() > ARGUMENT_BYTES_MAX => {
                format!("must have {ARGUMENT_BYTES_MAX} bytes at most")
            }
            word if word.contains('\0') => "must not hold a NUL".to_owned(),
            _ => return None,
        };
        Some(mistake(format!("command[{index}]"), words))
    });
    whole.into_iter().chain(entries)
}

fn size_mistake(size: TerminalSize) -> Option<FieldError> {
    let is_none = size.columns == 0 || size.rows == 0;
    is_none.then(|| mistake("tty".to_owned(), "must have a column and a row at least".to_owned()))
}

fn mistake(path: String, message: String) -> FieldError {
    FieldError { path, message }
}
