//! Where packages run, as the configuration says: read once, trusted after.

/// Where packages run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packages {
    /// Those of npm.
    pub node: PackagePlace,
    /// Those of `PyPI`.
    pub python: PackagePlace,
}

impl Packages {
    /// All of them on the host.
    pub const ON_HOST: Self = Self { node: PackagePlace::Host, python: PackagePlace::Host };
}

/// Where the packages of one language run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackagePlace {
    /// On the host, for there is no image to run them in.
    Host,
    /// In a container where the engine answers, else on the host.
    ContainerIfAny,
    /// In a container, whatever happens.
    Container,
    /// Nowhere, until this key of the configuration names an image.
    Nowhere(&'static str),
}
