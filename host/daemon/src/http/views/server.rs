//! A server: its manifest, and beside it what became of it.

use jiff::Timestamp;
use mcpd_api::view::{BEING_DELETED, ServerStatus, ServerView};
use mcpd_core::decide::{Plan, Rollout};
use mcpd_core::instance::{Instance, Phase};
use mcpd_core::server::{Revision, Wish};
use sha2::{Digest, Sha256};

use super::condition::server_conditions;
use super::{count, version};
use crate::state::{Board, Desired, ServerCell};

/// Bits of a digest that tell one server from another of the same name; there are a few of them in a life.
const ID_BITS: u32 = 48;

/// A server with its instances, as they were at one moment.
pub(crate) struct Replicas {
    /// What is wanted.
    pub(crate) desired: std::sync::Arc<Desired>,
    /// The revision that is wanted.
    pub(crate) revision: Revision,
    /// What was last decided.
    pub(crate) plan: Plan,
    /// What is there.
    pub(crate) instances: Vec<Instance>,
}

impl Replicas {
    /// What the board knows of this server now.
    pub(crate) fn of(board: &Board, server: &ServerCell) -> Self {
        let desired = server.desired();
        Self {
            revision: desired.to_core(server.secrets()).revision,
            desired,
            plan: server.plan(),
            instances: board.instances_of(server.name.as_str()).iter().map(|cell| cell.snapshot()).collect(),
        }
    }

    /// How many are Ready.
    pub(crate) fn ready(&self) -> usize {
        self.instances.iter().filter(|instance| instance.is_ready()).count()
    }

    /// How many of those are proven.
    pub(crate) fn verified(&self) -> usize {
        let proven = |instance: &&Instance| instance.is_ready() && instance.conditions.is_verified();
        self.instances.iter().filter(proven).count()
    }
}

/// The id of the server of that name which was made then.
pub(crate) fn server_id(name: &str, created_at: Timestamp) -> String {
    let digest = Sha256::digest(format!("{name} {}", created_at.as_microsecond()));
    let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{:012x}", number >> (u64::BITS - ID_BITS))
}

/// The server with what its owner should know of it.
pub(crate) fn server_view(replicas: &Replicas, warnings: Vec<String>) -> ServerView {
    let Replicas { desired, instances, .. } = replicas;
    let running = instances.iter().filter(|instance| matches!(instance.phase, Phase::Running(_))).count();
    let updated =
        instances.iter().filter(|instance| !instance.revision.is_outdated(&replicas.revision)).count();
    let status = ServerStatus {
        id: server_id(desired.name.as_str(), desired.created_at),
        conditions: server_conditions(desired.manifest.replicas, instances, desired.updated_at),
        ready_replicas: count(replicas.ready()),
        verified_replicas: count(replicas.verified()),
        running_replicas: count(running),
        updated_replicas: count(updated),
        current_replicas: count(instances.len()),
        warnings,
        rollout: rollout(replicas),
        version: version(desired.version),
        created_at: desired.created_at,
        updated_at: desired.updated_at,
    };
    ServerView::new(desired.manifest.clone(), status)
}

fn rollout(replicas: &Replicas) -> Option<String> {
    if replicas.desired.wish == Wish::Delete {
        return Some(format!("{BEING_DELETED}, {} instances are left", replicas.instances.len()));
    }
    match &replicas.plan.rollout {
        Rollout::Complete => None,
        Rollout::Progressing { updated, outdated } => {
            Some(format!("{updated} instances have the present spec, {outdated} are to be replaced"))
        }
        Rollout::Stuck { instance, since } => Some(format!(
            "stuck: instance {instance}, made at {since}, does not become ready; the old one stays"
        )),
    }
}
