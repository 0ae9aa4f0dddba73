//! Every change of desired state: read all, plan all, write all at once or nothing, then tell who acts.
//!
//! ```text
//! values ─► parse (every mistake) ─► plan (pure: created, configured, unchanged, refused) ─► one store.write ─► engine
//! ```
//!
//! `POST /apply` and the writes of single objects are the same thing with one manifest or many.

mod desk;
mod draft;
mod existing;
mod plan;
mod rules;
mod volumes;
mod warnings;

use mcpd_api::manifest::Manifest;
use mcpd_api::problem::Problem;
use mcpd_api::view::ApplyAnswer;
use mcpd_core::env::LookupFailure;
use mcpd_core::name::ServerName;
use serde_json::Value;
use thiserror::Error;

pub(crate) use desk::invalid;
pub use desk::{Desk, Parts};
pub use existing::Existing;
pub use warnings::KnownSecrets;

use crate::state::DesiredError;
use crate::store::{Expected, StoreError};

/// What is to be written.
#[derive(Clone, Debug)]
pub enum Request {
    /// A list of manifests, as an apply brings it.
    Apply {
        /// All of them; parsed, and none twice.
        manifests: Vec<Manifest>,
        /// Whether to write.
        mode: Mode,
        /// What happens to the objects of earlier applies that the list leaves out.
        left_out: LeftOut,
    },
    /// One manifest.
    Put(Box<Manifest>, Expected),
    /// A JSON merge patch of the manifest of a server.
    Patch(ServerName, Value, Expected),
}

/// Whether to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Write.
    Write,
    /// Say what would be written.
    DryRun,
}

/// What happens to the objects of earlier applies that a list leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// They stay.
    Keep,
    /// They are removed.
    Prune,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// For each object what was done, or would be. With a problem in it nothing was written at all, so it
    /// says `dryRun` then.
    pub answer: ApplyAnswer,
    /// The problem of the first object that has one.
    pub problem: Option<Problem>,
}

/// Why a request as a whole failed; what is wrong with single objects stands in the [`Outcome`].
#[derive(Debug, Error)]
pub enum ApplyError {
    /// It cannot be done, and nothing was written.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The store did not take it.
    #[error("the change was not written")]
    Store(#[from] StoreError),
    /// The backend of a secret did not take its values.
    #[error("the values of the secret were not written: {}", .0.failure)]
    Secret(LookupFailure),
    /// It was written, but what was written cannot be read.
    #[error("the change was written, but nobody acts on it")]
    Unreadable(#[from] DesiredError),
    /// The task that wrote it broke off.
    #[error("the change broke off")]
    Broken(#[from] tokio::task::JoinError),
}

impl From<Problem> for ApplyError {
    fn from(problem: Problem) -> Self {
        Self::Refused(Box::new(problem))
    }
}
