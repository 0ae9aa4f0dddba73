//! Why a server is as it is, and whether it can be used.

use jiff::Timestamp;
use mcpd_api::view::{HealthView, WhyView};
use mcpd_core::instance::Instance;
use mcpd_core::server::Revision;
use mcpd_core::why::{Why, why};

use super::{Replicas, count};

/// What is wrong, since when, what happens next.
pub(crate) fn why_view(replicas: &Replicas, now: Timestamp) -> WhyView {
    let Why { sentence, since, next, chain } = words(replicas, now);
    let next_at = replicas.instances.iter().filter_map(Instance::next_retry_at).min();
    WhyView { sentence, since, next: (!next.is_empty()).then_some(next), next_at, chain }
}

/// The summary for monitors that know nothing of mcpd.
pub(crate) fn health_view(replicas: &Replicas, now: Timestamp) -> HealthView {
    HealthView {
        server: replicas.desired.name.to_string(),
        ready: replicas.ready() > 0,
        verified: replicas.verified() > 0,
        replicas: replicas.desired.manifest.replicas,
        ready_replicas: count(replicas.ready()),
        sentence: words(replicas, now).sentence,
    }
}

fn words(replicas: &Replicas, now: Timestamp) -> Why {
    let Revision { secrets, .. } = replicas.revision.clone();
    why(now, &replicas.desired.to_core(secrets), &replicas.instances, &replicas.plan)
}
