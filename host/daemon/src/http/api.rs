//! What every handler works with.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::engine::Engine;
use super::guard::{Hosts, Token};
use super::works::Works;
use crate::app::App;
use crate::apply::{Desk, Parts};
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

impl Api {
    /// The API of a daemon that listens on `address`. There is one of them, for its desk takes the changes
    /// in turn.
    pub fn of(app: &Arc<App>, address: SocketAddr) -> Arc<Self> {
        let engine: Arc<dyn Engine> = Arc::new(Works(Arc::clone(app)));
        let desk = Desk::new(Parts {
            store: Arc::clone(&app.store),
            engine: Arc::clone(&engine),
            board: Arc::clone(&app.board),
            resolver: Arc::clone(&app.secrets),
            default_backend: app.config.secrets.default_backend.clone(),
            clock: app.clock.clone(),
            tasks: TaskTracker::new(),
            turn: Mutex::default(),
        });
        Arc::new(Self {
            board: Arc::clone(&app.board),
            store: Arc::clone(&app.store),
            desk,
            resolver: Arc::clone(&app.secrets),
            engine,
            clock: app.clock.clone(),
            access: Access {
                token: Token::new(app.token()),
                hosts: Hosts::new(address, &app.config.listen.allowed_hosts),
                open_metrics: app.config.auth.open_metrics,
            },
            started_at: app.started_at,
            end: app.end.clone(),
        })
    }
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
