//! Problem answers after RFC 9457: what went wrong, why, and what to do about it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::FieldError;

/// The media type of a problem answer.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// A problem answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A URI that names the kind of problem: `urn:mcpd:problem:<code>`.
    #[serde(rename = "type")]
    pub problem_type: String,
    /// The kind of problem in words, the same for every problem of its code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// This very problem in words, with the name of the thing.
    pub detail: String,
    /// Stable word for programs: that of a [`Code`], or one of a newer daemon.
    pub code: String,
    /// What caused it, the nearest cause first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Every mistake of a wrong input.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

impl Problem {
    /// A problem of this code; `detail` names the thing.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let entry = code.entry();
        Self {
            problem_type: format!("urn:mcpd:problem:{}", entry.word),
            title: entry.title.to_owned(),
            status: entry.status,
            detail: detail.into(),
            code: entry.word.to_owned(),
            causes: Vec::new(),
            hint: (!entry.hint.is_empty()).then(|| entry.hint.to_owned()),
            errors: Vec::new(),
        }
    }

    /// The answer to a wrong manifest.
    pub fn invalid(detail: impl Into<String>, errors: Vec<FieldError>) -> Self {
        Self { errors, ..Self::new(Code::Invalid, detail) }
    }

    /// With the chain of sources of an error.
    #[must_use]
    pub fn with_causes(mut self, error: &dyn std::error::Error) -> Self {
        self.causes =
            std::iter::successors(error.source(), |cause| cause.source()).map(ToString::to_string).collect();
        self
    }

    /// With another hint than that of its code.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}

struct Entry {
    word: &'static str,
    status: u16,
    title: &'static str,
    hint: &'static str,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $code:ident = $word:literal, $status:literal, $title:literal, $hint:literal;)*) => {
        /// Every problem there is. The word is stable; the rest may be said better later.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[doc = $doc])* $code,)*
        }

        impl Code {
            /// All of them, for documentation and tests.
            pub const ALL: &[Self] = &[$(Self::$code),*];

            fn entry(self) -> Entry {
                match self {
                    $(Self::$code => Entry { word: $word, status: $status, title: $title, hint: $hint },)*
                }
            }
        }
    };
}

codes! {
    /// The body is no JSON, or not of the shape the route takes.
    Malformed = "malformed", 400, "The request could not be read", "";
    /// A query parameter is wrong or unknown.
    InvalidQuery = "invalid_query", 400, "A query parameter is wrong", "";
    /// No token, or a wrong one.
    Unauthorized = "unauthorized", 401, "A token is needed",
        "send `Authorization: Bearer <token>`; the token is in admin.token in mcpd's data folder";
    /// The token does not reach this far, or the origin is foreign.
    Forbidden = "forbidden", 403, "This is not allowed", "";
    /// No such path.
    NotFound = "not_found", 404, "There is no such path", "";
    /// No server of that name.
    ServerNotFound = "server_not_found", 404, "There is no such server",
        "`mcpctl get servers` lists those there are";
    /// No instance of that id.
    InstanceNotFound = "instance_not_found", 404, "There is no such instance",
        "`mcpctl get instances` lists those there are; a replaced instance has another id";
    /// No secret of that name.
    SecretNotFound = "secret_not_found", 404, "There is no such secret",
        "`mcpctl get secrets` lists those there are";
    /// No secret backend of that name.
    SecretBackendNotFound = "secret_backend_not_found", 404, "There is no such secret backend",
        "`mcpctl get secretbackends` lists those there are";
    /// No probe of that name.
    ProbeNotFound = "probe_not_found", 404, "There is no such probe",
        "`mcpctl get probes` lists those there are";
    /// The path is there, the method is not.
    MethodNotAllowed = "method_not_allowed", 405, "The path does not take this method", "";
    /// POST of something that is there.
    AlreadyExists = "already_exists", 409, "Something of that name exists",
        "PUT replaces it, and so does `mcpctl apply`";
    /// DELETE of something that others need.
    InUse = "in_use", 409, "It is in use", "";
    /// A check or call of an instance that is not RUNNING.
    InstanceNotRunning = "instance_not_running", 409, "The instance is not running",
        "`mcpctl why` says what it waits for";
    /// A call or check through an instance that runs and has no connection now.
    NotConnected = "not_connected", 409, "The instance is not connected",
        "`mcpctl describe` shows what became of its connection; mcpd opens it again by itself where it can";
    /// A check where the manifest says that there are none.
    ChecksDisabled = "checks_disabled", 409, "The checks are disabled",
        "take healthCheck.disabled out of the manifest and apply it";
    /// A command for an instance that is a process of the host.
    NotInAContainer = "not_in_a_container", 409, "The instance is not in a container",
        "commands are run in containers only; a process of this host is reached from a shell of this host";
    /// A command that the engine did not start, in its words.
    CommandNotStarted = "command_not_started", 409, "The command could not be started", "";
    /// `If-Match` names another version.
    VersionMismatch = "version_mismatch", 412, "It was changed in the meantime",
        "read it again and repeat the change";
    /// A body past its bound.
    TooLarge = "too_large", 413, "The body is too large", "";
    /// A body of another media type.
    UnsupportedMediaType = "unsupported_media_type", 415, "The body is of another type", "";
    /// A `Host` this daemon does not go by (DNS rebinding).
    WrongHost = "wrong_host", 421, "The request is for another host", "";
    /// A manifest with mistakes; `errors` has them all.
    Invalid = "invalid_manifest", 422, "The manifest has mistakes", "";
    /// A request that can be read and asks for what cannot be; `errors` has every mistake.
    InvalidRequest = "invalid_request", 422, "The request has mistakes", "";
    /// An apply of an empty list.
    NothingToApply = "nothing_to_apply", 422, "There is nothing to apply", "";
    /// A secret backend that is unknown, or that needs itself (behaviour 3.5).
    UnusableBackend = "unusable_backend", 422, "The secret backend cannot be used", "";
    /// A secret whose backend cannot be written to.
    BackendReadOnly = "backend_read_only", 422, "The secret backend cannot be written to",
        "leave `data` out and put the value where the backend reads it";
    /// A request that has to become a connection of its own, and did not ask for that.
    UpgradeRequired = "upgrade_required", 426, "The connection has to be upgraded",
        "send `Connection: Upgrade` and `Upgrade: mcpd-exec/1` over HTTP/1.1, or use `mcpctl exec`";
    /// Too many requests, or too many calls in flight.
    TooManyRequests = "too_many_requests", 429, "Too many requests", "";
    /// A mistake of mcpd.
    Internal = "internal", 500, "mcpd made a mistake", "the log of mcpd has more";
    /// The connection to the server broke under the call.
    ConnectionBroken = "connection_broken", 502, "The connection to the server broke",
        "the call may have been carried out; it was not sent again";
    /// The server's answer is past a bound, or is no MCP.
    BadAnswer = "bad_answer", 502, "The server's answer cannot be passed on", "";
    /// No replica is Ready.
    NotReady = "not_ready", 503, "No replica is ready", "`mcpctl why` says why";
    /// Store, runtime or backend do not answer.
    Unavailable = "unavailable", 503, "Something mcpd depends on does not answer", "";
    /// The deadline of a call passed.
    DeadlineExceeded = "deadline_exceeded", 504, "The server did not answer in time", "";
}

impl Code {
    /// The stable word.
    pub fn as_str(self) -> &'static str {
        self.entry().word
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        self.entry().status
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_has_a_word_of_its_own_and_an_error_status() {
        let words: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|code| (400..=504).contains(&code.status())));
    }

    #[test]
    fn a_problem_is_written_after_the_rfc() {
        let errors = vec![FieldError { path: "replicas".into(), message: "must be less".into() }];
        let problem = Problem::invalid("server demo has one mistake", errors);
        insta::assert_json_snapshot!(problem, @r#"
        {
          "type": "urn:mcpd:problem:invalid_manifest",
          "title": "The manifest has mistakes",
          "status": 422,
          "detail": "server demo has one mistake",
          "code": "invalid_manifest",
          "errors": [
            {
              "path": "replicas",
              "message": "must be less"
            }
          ]
        }
        "#);
        let text = serde_json::to_string(&problem).unwrap();
        assert_eq!(serde_json::from_str::<Problem>(&text).unwrap(), problem);
    }
}
