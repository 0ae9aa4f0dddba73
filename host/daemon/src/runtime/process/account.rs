//! The user that servers run as, where mcpd is root and configured to give them another.

use nix::unistd::User;

use crate::runtime::RuntimeError;

/// A user of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    home: String,
}

impl Account {
    /// The user of that name.
    pub(super) fn get(name: &str) -> Result<Self, RuntimeError> {
        let user = User::from_name(name).ok().flatten();
        let user = user.ok_or_else(|| RuntimeError::NoSuchUser { user: name.to_owned() })?;
        Ok(Self {
            name: user.name,
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
            home: user.dir.to_string_lossy().into_owned(),
        })
    }

    /// The environment of mcpd as this user would have it.
    pub(super) fn adapt(&self, env: Vec<(String, String)>) -> Vec<(String, String)> {
        let others = env.into_iter().filter(|(name, _)| name != "HOME" && name != "USER");
        let own = [("HOME".to_owned(), self.home.clone()), ("USER".to_owned(), self.name.clone())];
        others.chain(own).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_and_user_are_those_of_the_account() {
        let root = Account::get("root").unwrap();
        let env = [("HOME", "/elsewhere"), ("PATH", "/bin")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        let adapted = root.adapt(env.to_vec());
        assert!(adapted.contains(&("USER".to_owned(), "root".to_owned())));
        assert!(!adapted.contains(&("HOME".to_owned(), "/elsewhere".to_owned())));
        assert_eq!(adapted.len(), 3);
    }

    #[test]
    fn a_user_that_is_not_there_is_named() {
        let error = Account::get("nobody-of-that-name").unwrap_err();
        assert_eq!(error.to_string(), "no user \"nobody-of-that-name\" to run servers as");
    }
}
