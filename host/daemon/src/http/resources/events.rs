//! `/events`: what happened, of one server or of all.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream};
use jiff::Timestamp;
use mcpd_api::view::{EventView, ListView};
use mcpd_core::name::ServerName;
use serde::Deserialize;
use tokio::sync::broadcast::Receiver;

use crate::http::api::Shared;
use crate::http::query::Query;
use crate::http::refusal::Answer;
use crate::http::views::{event_of_row, events_of};
use crate::http::{Api, sse};
use crate::state::Change;

/// Events that are listed: some pages, and no more than a person looks through.
const EVENTS_MAX: usize = 1000;

/// Which events are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    /// Those of this server only.
    server: Option<String>,
    /// Whether to wait for more.
    #[serde(default)]
    follow: bool,
}

/// `GET /events?server=&follow=`: oldest first; with `follow` as server-sent events, those there are first.
pub(crate) async fn events(State(api): Shared, Query(filter): Query<Filter>) -> Answer<Response> {
    // Listening begins before the look at what is there, so that nothing falls in between.
    let changes = api.board.watch();
    let kept = list(&api, filter.server.as_deref()).await?;
    if !filter.follow {
        return Ok(Json(ListView::from(kept)).into_response());
    }
    let end = api.end.clone();
    let follower = Follower { seen: Seen::default(), changes, server: filter.server, api };
    Ok(sse::answer(follower.stream(kept), end))
}

/// What the store has of servers as such and of instances that are gone, and what the board has of those
/// that are there: the store learns of those a moment later.
async fn list(api: &Api, server: Option<&str>) -> Answer<Vec<EventView>> {
    let name = server.map(ServerName::new);
    let rows = api.store.list_events(name.as_ref(), EVENTS_MAX).await?;
    let cells = match server {
        Some(server) => api.board.instances_of(server),
        None => api.board.instances(),
    };
    let living: HashSet<_> = cells.iter().map(|cell| cell.id.clone()).collect();
    let is_kept = |id: &Option<_>| id.as_ref().is_none_or(|id| !living.contains(id));
    let mut events: Vec<_> = rows.iter().filter(|row| is_kept(&row.instance)).map(event_of_row).collect();
    events.extend(cells.iter().flat_map(|cell| cell.read(events_of)));
    events.sort_by_key(|view| view.event.last_timestamp);
    events.drain(..events.len().saturating_sub(EVENTS_MAX));
    Ok(events)
}

/// What was sent of each instance, or of each server as such: the newest time, and what was sent of it.
#[derive(Default)]
struct Seen(HashMap<(Option<String>, Option<String>), Newest>);

#[derive(Default)]
struct Newest {
    at: Timestamp,
    sent: HashSet<(String, u32)>,
}

impl Seen {
    /// Whether the event, or the repetition of it, is new; it is not from now on.
    fn is_new(&mut self, view: &EventView) -> bool {
        let newest = self.0.entry((view.server.clone(), view.instance.clone())).or_default();
        let at = view.event.last_timestamp;
        if at < newest.at {
            return false;
        }
        if at > newest.at {
            *newest = Newest { at, sent: HashSet::new() };
        }
        newest.sent.insert((view.event.reason.clone(), view.event.count))
    }

    /// Nothing more comes from that instance.
    fn forget(&mut self, instance: &str) {
        self.0.retain(|(_, known), _| known.as_deref() != Some(instance));
    }
}

struct Follower {
    api: Arc<Api>,
    server: Option<String>,
    changes: Receiver<Change>,
    seen: Seen,
}

impl Follower {
    fn stream(mut self, kept: Vec<EventView>) -> impl Stream<Item = EventView> + Send + 'static {
        for view in &kept {
            self.seen.is_new(view);
        }
        let queue = std::collections::VecDeque::from(kept);
        stream::unfold((self, queue), |(mut follower, mut queue)| async move {
            while queue.is_empty() {
                queue.extend(follower.next().await?);
            }
            queue.pop_front().map(|view| (view, (follower, queue)))
        })
    }

    /// What is new after the next change; `None` when mcpd ends. One that lags behind looks at everything.
    async fn next(&mut self) -> Option<Vec<EventView>> {
        use tokio::sync::broadcast::error::RecvError;
        let events = match self.changes.recv().await {
            Ok(Change::Instance(id)) => {
                let cell = self.api.board.find_instance(id.as_str());
                cell.filter(|cell| self.is_asked_for(cell.server.as_str()))
                    .map(|cell| cell.read(events_of))
                    .unwrap_or_default()
            }
            Ok(Change::Server(name)) if self.is_asked_for(name.as_str()) => {
                self.of_server(name.as_str()).await
            }
            Ok(Change::InstanceGone(id)) => {
                self.seen.forget(id.as_str());
                Vec::new()
            }
            Ok(Change::Server(_) | Change::ServerGone(_)) => Vec::new(),
            Err(RecvError::Lagged(_)) => list(&self.api, self.server.as_deref()).await.unwrap_or_default(),
            Err(RecvError::Closed) => return None,
        };
        Some(events.into_iter().filter(|view| self.seen.is_new(view)).collect())
    }

    async fn of_server(&self, name: &str) -> Vec<EventView> {
        let all = list(&self.api, Some(name)).await.unwrap_or_default();
        all.into_iter().filter(|view| view.instance.is_none()).collect()
    }

    fn is_asked_for(&self, server: &str) -> bool {
        self.server.as_deref().is_none_or(|wanted| wanted == server)
    }
}
