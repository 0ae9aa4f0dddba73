//! What a server answered, as it gave it.

use serde::Deserialize;
use serde_json::value::RawValue;

/// A valid JSON-RPC answer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The `result` member, untouched.
    Result(Box<RawValue>),
    /// The `error` member.
    Error(RpcError),
}

/// The `error` member of an answer.
#[derive(Clone, Debug)]
pub struct RpcError {
    /// The JSON-RPC error code.
    pub code: i64,
    /// The server's words, verbatim; empty where it gave none.
    pub message: String,
    /// The `data` member, untouched.
    pub data: Option<Box<RawValue>>,
    /// The whole `error` member, untouched.
    pub raw: Box<RawValue>,
}

impl RpcError {
    /// Reads an `error` member; `None` when it is not one (serde would also fill a struct from an array).
    pub(crate) fn read(raw: &RawValue) -> Option<Self> {
        if !raw.get().starts_with('{') {
            return None;
        }
        let fields: Fields<'_> = serde_json::from_str(raw.get()).ok()?;
        Some(Self {
            code: fields.code,
            message: fields.message,
            data: fields.data.map(RawValue::to_owned),
            raw: raw.to_owned(),
        })
    }
}

#[derive(Deserialize)]
struct Fields<'a> {
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}
