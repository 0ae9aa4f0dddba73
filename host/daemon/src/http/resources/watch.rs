//! `/watch`: all there is, and then each change, as server-sent events.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use futures::stream;
use mcpd_api::view::{ServerView, WatchMessage};
use mcpd_core::name::ServerName;
use tokio::sync::broadcast::Receiver;

use super::{instances, servers};
use crate::http::api::Shared;
use crate::http::refusal::Answer;
use crate::http::{Api, sse};
use crate::state::Change;

/// `GET /watch`. A client that lags too far behind is cut off, and sees all there is when it comes back.
pub(crate) async fn watch(State(api): Shared) -> Answer<Response> {
    let changes = api.board.watch();
    let end = api.end.clone();
    let mut watcher = Watcher { changes, shown: HashMap::new(), api };
    let queue = watcher.all().await?;
    let messages = stream::unfold((watcher, queue), |(mut watcher, mut queue)| async move {
        while queue.is_empty() {
            queue = watcher.next().await?;
        }
        queue.pop_front().map(|message| (message, (watcher, queue)))
    });
    Ok(sse::answer(messages, end))
}

struct Watcher {
    api: Arc<Api>,
    changes: Receiver<Change>,
    /// Servers as they were shown last: most changes of an instance leave its server as it is.
    shown: HashMap<ServerName, ServerView>,
}

impl Watcher {
    async fn all(&mut self) -> Answer<VecDeque<WatchMessage>> {
        let known = servers::known_secrets(&self.api).await?;
        let mut messages = VecDeque::new();
        for server in self.api.board.servers() {
            let view = servers::view(&self.api, &server, &known);
            self.shown.insert(server.name.clone(), view.clone());
            messages.push_back(WatchMessage::Server(Box::new(view)));
        }
        for cell in self.api.board.instances() {
            messages.push_back(WatchMessage::Instance(Box::new(instances::view(&self.api, &cell))));
        }
        messages.push_back(WatchMessage::Synced);
        Ok(messages)
    }

    /// What follows from the next change; `None` ends the stream.
    async fn next(&mut self) -> Option<VecDeque<WatchMessage>> {
        let mut messages = VecDeque::new();
        match self.changes.recv().await.ok()? {
            Change::Server(name) => messages.extend(self.server(&name).await?),
            Change::Instance(id) => {
                if let Some(cell) = self.api.board.find_instance(id.as_str()) {
                    messages.push_back(WatchMessage::Instance(Box::new(instances::view(&self.api, &cell))));
                    messages.extend(self.server(&cell.server).await?);
                }
            }
            Change::InstanceGone(id) => messages.push_back(WatchMessage::InstanceGone(id.to_string())),
            Change::ServerGone(name) => {
                self.shown.remove(&name);
                messages.push_back(WatchMessage::ServerGone(name.to_string()));
            }
        }
        Some(messages)
    }

    /// The server, if it looks otherwise than it did. Without the store nothing true can be said of it.
    async fn server(&mut self, name: &ServerName) -> Option<Option<WatchMessage>> {
        let Some(server) = self.api.board.find_server(name.as_str()) else { return Some(None) };
        let known = servers::known_secrets(&self.api).await.ok()?;
        let view = servers::view(&self.api, &server, &known);
        if self.shown.get(name) == Some(&view) {
            return Some(None);
        }
        self.shown.insert(name.clone(), view.clone());
        Some(Some(WatchMessage::Server(Box::new(view))))
    }
}
