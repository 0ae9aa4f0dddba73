//! Where each instance is, as far as this mcpd knows.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mcpd_core::name::InstanceId;

use crate::runtime::docker::HANDLE_PREFIX;
use crate::runtime::{Known, Owned, Presence};

/// The run of a container that nobody has attached to yet.
const RUN_UNKNOWN: u64 = 0;

/// Where an instance can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A process of this host.
    Process,
    /// A container.
    Docker,
}

/// Where each instance is; until it is removed, for its log is there too.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<HashMap<InstanceId, Whereabouts>>);

#[derive(Debug, Clone, Copy)]
struct Whereabouts {
    place: Place,
    /// Of what may be there still.
    run: Option<u64>,
}

impl Places {
    /// Where the instance is or was last.
    pub(super) fn find(&self, instance: &InstanceId) -> Option<Place> {
        self.lock().get(instance).map(|whereabouts| whereabouts.place)
    }

    /// Where the instance is, as long as it is not proved gone from there.
    pub(super) fn may_run_in(&self, instance: &InstanceId) -> Option<Place> {
        self.lock().get(instance).filter(|whereabouts| whereabouts.run.is_some()).map(|found| found.place)
    }

    /// What an earlier mcpd recorded of instances. Of its processes nothing is left after a sweep.
    pub(super) fn read_handles(&self, known: &[Known]) {
        for known in known {
            let Some(handle) = &known.handle else { continue };
            let whereabouts = if handle.0.starts_with(HANDLE_PREFIX) {
                Whereabouts { place: Place::Docker, run: Some(RUN_UNKNOWN) }
            } else {
                Whereabouts { place: Place::Process, run: None }
            };
            self.lock().insert(known.instance.clone(), whereabouts);
        }
    }

    /// A start begins there.
    pub(super) fn may_run(&self, instance: &InstanceId, place: Place) {
        self.runs(instance, place, RUN_UNKNOWN);
    }

    /// It runs there.
    pub(super) fn runs(&self, instance: &InstanceId, place: Place, run: u64) {
        self.lock().insert(instance.clone(), Whereabouts { place, run: Some(run) });
    }

    /// It was there and is gone.
    pub(super) fn ended_in(&self, instance: &InstanceId, place: Place) {
        self.lock().insert(instance.clone(), Whereabouts { place, run: None });
    }

    /// It is gone from wherever it was.
    pub(super) fn ended(&self, instance: &InstanceId) {
        if let Some(whereabouts) = self.lock().get_mut(instance) {
            whereabouts.run = None;
        }
    }

    /// Nothing is kept of it any more.
    pub(super) fn forget(&self, instance: &InstanceId) {
        self.lock().remove(instance);
    }

    /// Containers of instances that nobody has told of, such as orphans, are known from here on, and so are those
    /// of instances whose process is gone.
    pub(super) fn saw(&self, contained: &[Owned]) {
        let mut places = self.lock();
        for owned in contained {
            let seen = Whereabouts { place: Place::Docker, run: Some(owned.run) };
            let known = places.entry(owned.instance.clone()).or_insert(seen);
            if known.place == Place::Process && known.run.is_none() {
                *known = seen;
            }
        }
    }

    /// What is in containers as far as is known, while their engine does not answer.
    pub(super) fn unseen(&self) -> Vec<Owned> {
        let unseen = |(instance, whereabouts): (&InstanceId, &Whereabouts)| {
            let run = whereabouts.run.filter(|_| whereabouts.place == Place::Docker)?;
            Some(Owned { instance: instance.clone(), run, presence: Presence::Unseen })
        };
        self.lock().iter().filter_map(unseen).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<InstanceId, Whereabouts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
