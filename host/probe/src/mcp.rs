//! The MCP calls of one check: budget, permission, the call itself, and the record of it.

use std::sync::Arc;
use std::time::Duration;

use mcpd_core::check::{CallFailure, CallRecord, FailureKind};
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout, timeout_at};

use crate::answer;
use crate::calls::{CallError, Calls};
use crate::grant::{Grant, TOOLS_CALL};
use crate::limits::Limits;
use crate::params::{self, Params, ParamsError};
use crate::text;

/// A method or tool name in a record; a guest may call anything by any name.
const NAME_BYTES_MAX: usize = 256;
/// The reason of a call past the budget; handed on, it makes the check inconclusive.
pub(crate) const CALL_LIMIT: &str = "call-limit";
/// What one check may leave to the host for afterwards; as in the contract.
const DEFERRED_MAX: usize = 8;
/// All deferred calls together. They come after the verdict and must not hold the next check up for long.
const DEFERRED_TIME: Duration = Duration::from_secs(5);
/// How much longer than the host's own clock the connection waits: the host decides what a check is told.
const CONNECTION_GRACE: Duration = Duration::from_secs(1);

/// The MCP side of one check. Without a connection (`describe`) everything is denied.
pub(crate) struct Mcp {
    connection: Option<Connection>,
    limits: Limits,
    calls_made: u32,
    pending: Option<Pending>,
    records: Vec<CallRecord>,
    deferred: Vec<Call>,
}

/// The live connection, and what may be called on it until when.
pub(crate) struct Connection {
    pub(crate) calls: Arc<dyn Calls>,
    pub(crate) grant: Arc<Grant>,
    pub(crate) deadline: Instant,
}

/// One call as the host will send it.
#[derive(Debug)]
pub(crate) struct Call {
    method: String,
    tool: Option<String>,
    params: Option<Box<RawValue>>,
}

struct Pending {
    call: Call,
    started: Instant,
}

impl Call {
    /// `tools/call` of one tool.
    pub(crate) fn of_tool(tool: String, arguments: &str) -> Result<Self, ParamsError> {
        let params = params::of_tool(&tool, arguments)?;
        Ok(Self { method: TOOLS_CALL.to_owned(), tool: Some(tool), params: Some(params) })
    }

    /// Any request; one of `tools/call` names its tool like [`Call::of_tool`] does.
    pub(crate) fn of_request(method: String, params: Option<&str>) -> Result<Self, ParamsError> {
        let params = params.map(Params::parse).transpose()?;
        let tool = match &params {
            Some(params) if method == TOOLS_CALL => Some(params.tool()?),
            None if method == TOOLS_CALL => return Err(ParamsError::NoTool),
            _ => None,
        };
        Ok(Self { method, tool, params: params.map(Params::into_raw).transpose()? })
    }

    /// Whether a success of it proves function, so that its result has to be looked at.
    fn is_judged(&self) -> bool {
        matches!(self.method.as_str(), TOOLS_CALL | "resources/read" | "prompts/get")
    }
}

/// A result of the server, and what the host found in it.
pub(crate) struct Answer {
    pub(crate) result: String,
    pub(crate) judged: Result<(), CallError>,
}

impl Mcp {
    pub(crate) fn new(connection: Option<Connection>, limits: Limits) -> Self {
        Self { connection, limits, calls_made: 0, pending: None, records: Vec::new(), deferred: Vec::new() }
    }

    /// Whether the budget of calls is used up.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.calls_made >= self.limits.calls()
    }

    /// Makes one call and keeps its record. `own` is the call's own timeout; the check's deadline is kept by
    /// the future around the whole check.
    pub(crate) async fn call(&mut self, call: Call, own: Option<Duration>) -> Result<Answer, CallError> {
        self.admit()?;
        let started = Instant::now();
        let permitted = self.permit(&call);
        let pending = self.pending.insert(Pending { call, started });
        let answer = match permitted {
            Ok(()) => ask(self.connection.as_ref(), pending, own).await,
            Err(denied) => Err(denied),
        };
        let answer = answer.and_then(|result| self.examine(result)).map_err(|error| self.bounded(error));
        self.settle(&answer);
        answer
    }

    /// Keeps a call for after the check.
    pub(crate) fn defer(&mut self, call: Call) -> Result<(), CallError> {
        self.permit(&call)?;
        if self.deferred.len() == DEFERRED_MAX {
            let message = format!("{DEFERRED_MAX} deferred calls are the limit of a check");
            return Err(CallError::new(FailureKind::Quota, "deferred-limit", message));
        }
        self.deferred.push(call);
        Ok(())
    }

    /// The time ran out while a call was under way: it becomes a record like any other.
    pub(crate) fn end_pending(&mut self, check_timeout: Duration) -> Option<CallError> {
        let Pending { call, started } = self.pending.take()?;
        let error = timed_out(check_timeout);
        self.records.push(record(&call, started.elapsed(), Some(&error)));
        Some(error)
    }

    /// Makes the deferred calls, the last one first, and gives all records of the check.
    pub(crate) async fn finish(mut self) -> Vec<CallRecord> {
        let deadline = Instant::now() + DEFERRED_TIME;
        while let Some(call) = self.deferred.pop() {
            let record = self.call_deferred(call, deadline).await;
            self.records.push(record);
        }
        self.records
    }

    async fn call_deferred(&self, call: Call, deadline: Instant) -> CallRecord {
        let mut pending = Pending { call, started: Instant::now() };
        let asked = timeout_at(deadline, ask(self.connection.as_ref(), &mut pending, None)).await;
        let judged =
            asked.unwrap_or_else(|_| Err(timed_out(DEFERRED_TIME))).and_then(|result| answer::judge(&result));
        CallRecord {
            deferred: true,
            ..record(&pending.call, pending.started.elapsed(), judged.err().as_ref())
        }
    }

    /// Whether a call of this check failed with this kind, as the host itself saw.
    pub(crate) fn saw(&self, kind: FailureKind) -> bool {
        self.records.iter().any(|record| record.failure.as_ref().is_some_and(|failure| failure.kind == kind))
    }

    fn admit(&mut self) -> Result<(), CallError> {
        self.connection()?;
        if self.is_exhausted() {
            let message = format!("the check made the {} calls it may make", self.limits.calls());
            return Err(CallError::new(FailureKind::Quota, CALL_LIMIT, message));
        }
        self.calls_made += 1;
        Ok(())
    }

    fn permit(&self, call: &Call) -> Result<(), CallError> {
        let grant = &self.connection()?.grant;
        let (permitted, what) = match &call.tool {
            Some(tool) => (grant.permits_tool(tool), format_args!("the tool `{tool}`").to_string()),
            None => (grant.permits_method(&call.method), format_args!("`{}`", call.method).to_string()),
        };
        if permitted {
            return Ok(());
        }
        let message = format!("the probe may not call {what}; healthCheck.allow grants it");
        Err(CallError::new(FailureKind::Denied, "not-granted", message))
    }

    fn examine(&self, result: String) -> Result<Answer, CallError> {
        let Some(Pending { call, .. }) = &self.pending else { return Ok(Answer { result, judged: Ok(()) }) };
        if result.len() > self.limits.answer_bytes() {
            return Err(too_large(&call.method, result.len(), self.limits.answer_bytes()));
        }
        if !answer::is_object(&result) {
            return Err(answer::not_mcp("it is not an object"));
        }
        let judged = if call.is_judged() { answer::judge(&result) } else { Ok(()) };
        match judged {
            Err(error) if error.kind != FailureKind::Tool => Err(error),
            judged => Ok(Answer { result, judged }),
        }
    }

    /// A server's error may be as long as its answers.
    fn bounded(&self, mut error: CallError) -> CallError {
        let bytes_max = self.limits.answer_bytes();
        error.message.truncate(error.message.floor_char_boundary(bytes_max));
        error.data = error.data.filter(|data| data.len() <= bytes_max);
        error
    }

    fn settle(&mut self, answer: &Result<Answer, CallError>) {
        let Some(Pending { call, started }) = self.pending.take() else { return };
        let failure = match answer {
            Ok(answer) => answer.judged.as_ref().err(),
            Err(error) => Some(error),
        };
        self.records.push(record(&call, started.elapsed(), failure));
    }

    fn connection(&self) -> Result<&Connection, CallError> {
        self.connection.as_ref().ok_or_else(no_target)
    }
}

/// Sends the call through the live connection. Dropping this future cancels the call.
async fn ask(
    connection: Option<&Connection>,
    pending: &mut Pending,
    own: Option<Duration>,
) -> Result<String, CallError> {
    let connection = connection.ok_or_else(no_target)?;
    let remaining = connection.deadline.saturating_duration_since(pending.started);
    let patience = own.unwrap_or(remaining).min(remaining) + CONNECTION_GRACE;
    let params = pending.call.params.take();
    let request = connection.calls.request(&pending.call.method, params, patience);
    match own.filter(|own| *own < remaining) {
        Some(own) => timeout(own, request).await.unwrap_or_else(|_| Err(timed_out(own))),
        None => request.await,
    }
}

fn no_target() -> CallError {
    CallError::new(FailureKind::Denied, "no-target", "there is no server while a probe is loaded")
}

/// The words of behaviour 6.6 for time that ran out.
pub(crate) fn timed_out(after: Duration) -> CallError {
    CallError::new(FailureKind::Timeout, "timeout", format!("timed out after {}", text::duration(after)))
}

fn too_large(method: &str, bytes: usize, bytes_max: usize) -> CallError {
    let message = format!(
        "the answer to {method} has {} KiB, and the probe may be given {} KiB",
        bytes.div_ceil(1024),
        bytes_max / 1024
    );
    CallError::new(FailureKind::Quota, "answer-too-large", message)
}

fn record(call: &Call, duration: Duration, failure: Option<&CallError>) -> CallRecord {
    let failure = failure.map(|error| CallFailure { kind: error.kind, message: text::words(&error.message) });
    let tool = call.tool.as_deref().map(|tool| text::line(tool, NAME_BYTES_MAX));
    CallRecord { method: text::line(&call.method, NAME_BYTES_MAX), tool, duration, failure, deferred: false }
}
