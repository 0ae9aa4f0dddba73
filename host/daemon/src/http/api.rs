//! What every handler works with.

use std::sync::Arc;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::engine::Engine;
use super::guard::{Hosts, Token};
use crate::apply::Desk;
use crate::clock::Clock;
use crate::secrets::Resolver;
use crate::state::Board;
use crate::store::Store;

/// The state of the API.
#[derive(Debug)]
pub struct Api {
    /// What is known now.
    pub board: Arc<Board>,
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// Where desired state is changed.
    pub desk: Desk,
    /// Shows keys and fingerprints of secrets.
    pub resolver: Arc<Resolver>,
    /// The working parts.
    pub engine: Arc<dyn Engine>,
    /// Time.
    pub clock: Clock,
    /// Who may ask.
    pub access: Access,
    /// When this mcpd started.
    pub started_at: Timestamp,
    /// Ends the streams.
    pub end: CancellationToken,
}

/// Who may ask what.
#[derive(Debug)]
pub struct Access {
    /// What a request has to bring.
    pub token: Token,
    /// The names this daemon goes by.
    pub hosts: Hosts,
    /// Whether `/metrics` answers without a token.
    pub open_metrics: bool,
}

/// The state as axum hands it to a handler.
pub(super) type Shared = axum::extract::State<Arc<Api>>;
