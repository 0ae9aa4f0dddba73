//! A look at the container of a run: whether it has ended, and whether its log still hears it.

use std::sync::Arc;

use mcpd_core::name::InstanceId;

use super::containers::{self, short};
use super::runs::Run;
use super::seen::Seen;
use super::site::Site;
use super::streams::{Over, attach};
use crate::runtime::Exit;
use crate::runtime::log::LogBook;

/// What a look needs; it goes on beside its keeper.
pub(super) struct Look {
    pub(super) site: Arc<Site>,
    pub(super) instance: InstanceId,
    pub(super) run: Run,
    pub(super) book: Arc<LogBook>,
    pub(super) container: String,
}

impl Look {
    /// How it ended, if it has, as far as the engine can tell.
    pub(super) async fn ended(self) -> Option<Exit> {
        match containers::inspect(&self.site.engine, &self.container).await {
            Ok(Some(Seen { exit: Some(exit), .. })) => Some(exit),
            Ok(Some(seen)) => {
                self.mend_log(&seen).await;
                None
            }
            Ok(None) => Some(Exit::Unseen),
            Err(error) => {
                // Where the engine is lost, everything is looked at again on its return; where it was only slow, the
                // next list finds what has ended.
                tracing::debug!(container = short(&self.container), %error, "a container could not be looked at");
                None
            }
        }
    }

    /// A server over HTTP has no connection that asks for new streams when they broke; its log needs them.
    async fn mend_log(&self, seen: &Seen) {
        if seen.port.is_none() || !self.run.attachment().is_cancelled() {
            return;
        }
        let engine = &self.site.engine;
        let attached = attach(&engine.docker, &self.container, Arc::clone(&self.book), Over::LogsOnly);
        match engine.attend(attached).await {
            Ok(attached) => self.run.replace_attachment(attached.ended),
            Err(error) => tracing::warn!(instance = %self.instance, %error, "a log has a gap"),
        }
    }
}
