//! Conditions: those of an instance as they are, those of a server added up from its instances'.

use jiff::Timestamp;
use mcpd_api::view;
use mcpd_core::conditions::{CONDITION_TYPES, Condition, ConditionStatus, ConditionType};
use mcpd_core::instance::Instance;

/// A condition of an instance.
pub(super) fn condition_view(condition: &Condition) -> view::Condition {
    view::Condition {
        condition: type_of(condition.condition_type),
        status: status_of(condition.status),
        reason: condition.reason.clone(),
        message: condition.message.clone(),
        last_transition_at: condition.last_transition_at,
    }
}

/// The conditions of a server that wants `replicas` instances.
///
/// A condition is True when it is True of as many instances as are wanted: a further one that is being
/// rolled out does not make a server that serves look bad. Otherwise it is that of the worst instance, or
/// False with the reason that instances are missing or none is wanted.
pub(super) fn server_conditions(
    replicas: u32,
    instances: &[Instance],
    since: Timestamp,
) -> Vec<view::Condition> {
    CONDITION_TYPES.map(|condition| added_up(condition, replicas, instances, since)).to_vec()
}

fn added_up(
    condition_type: ConditionType,
    replicas: u32,
    instances: &[Instance],
    since: Timestamp,
) -> view::Condition {
    let without = |reason: &str, message: String| view::Condition {
        condition: type_of(condition_type),
        status: view::ConditionStatus::False,
        reason: reason.to_owned(),
        message,
        last_transition_at: since,
    };
    if replicas == 0 {
        return without("NoneWanted", "replicas is 0".to_owned());
    }
    let found: Vec<&Condition> =
        instances.iter().filter_map(|instance| instance.conditions.find(condition_type)).collect();
    let (held, lacking): (Vec<&Condition>, Vec<&Condition>) =
        found.iter().partition(|condition| condition.status == ConditionStatus::True);
    let wanted = usize::try_from(replicas).unwrap_or(usize::MAX);
    if held.len() >= wanted {
        let newest = held.iter().max_by_key(|condition| condition.last_transition_at);
        return newest
            .map_or_else(|| without("InstancesMissing", String::new()), |held| condition_view(held));
    }
    // False is worse than not known; among equals the one that has been so for longest tells most.
    let rank =
        |condition: &&&Condition| (condition.status != ConditionStatus::False, condition.last_transition_at);
    match lacking.iter().min_by_key(rank) {
        Some(worst) => condition_view(worst),
        None => without("InstancesMissing", format!("{} of {replicas} instances are there", found.len())),
    }
}

fn type_of(condition_type: ConditionType) -> view::ConditionType {
    match condition_type {
        ConditionType::SecretsResolved => view::ConditionType::SecretsResolved,
        ConditionType::Running => view::ConditionType::Running,
        ConditionType::Connected => view::ConditionType::Connected,
        ConditionType::Functional => view::ConditionType::Functional,
        ConditionType::Ready => view::ConditionType::Ready,
    }
}

fn status_of(status: ConditionStatus) -> view::ConditionStatus {
    match status {
        ConditionStatus::True => view::ConditionStatus::True,
        ConditionStatus::False => view::ConditionStatus::False,
        ConditionStatus::Unknown => view::ConditionStatus::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ready, starting};
    use super::*;

    fn ready_of(replicas: u32, instances: &[Instance]) -> (view::ConditionStatus, String) {
        let conditions = server_conditions(replicas, instances, Timestamp::UNIX_EPOCH);
        let ready = conditions.into_iter().find(|c| c.condition == view::ConditionType::Ready).unwrap();
        (ready.status, ready.reason)
    }

    #[test]
    fn a_server_is_ready_when_as_many_instances_are_as_are_wanted() {
        let no = view::ConditionStatus::False;
        let yes = view::ConditionStatus::True;
        assert_eq!(ready_of(1, &[ready("a")]), (yes, "Ready".to_owned()));
        assert_eq!(ready_of(1, &[ready("a"), starting("b")]), (yes, "Ready".to_owned()), "one is rolled out");
        let unknown = view::ConditionStatus::Unknown;
        assert_eq!(ready_of(2, &[ready("a"), starting("b")]), (unknown, "NotStarted".to_owned()));
        assert_eq!(ready_of(2, &[ready("a")]), (no, "InstancesMissing".to_owned()));
        assert_eq!(ready_of(1, &[]), (no, "InstancesMissing".to_owned()));
        assert_eq!(ready_of(0, &[]), (no, "NoneWanted".to_owned()));
    }
}
