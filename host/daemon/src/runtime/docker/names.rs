//! The name of an instance's container, which makes a second one impossible: the engine gives each name once.

use mcpd_core::name::InstanceId;

/// How much of the owner's id goes into a name: enough to tell the mcpds of one machine apart.
const OWNER_CHARACTERS: usize = 8;

/// The name of the one container that the instance of this owner may have.
pub(super) fn container_name(owner: &str, instance: &InstanceId) -> String {
    let owner: String = owner.chars().take(OWNER_CHARACTERS).collect();
    format!("mcpd-{owner}-{instance}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_holds_the_owner_and_the_instance() {
        assert_eq!(container_name("0123456789abcdef", &InstanceId::new("k3v9x2")), "mcpd-01234567-k3v9x2");
        assert_eq!(container_name("own", &InstanceId::new("k3v9x2")), "mcpd-own-k3v9x2");
    }
}
