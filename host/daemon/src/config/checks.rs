//! Which configured `healthCheck`s apply to a server.

use serde_json::Value;

use super::model::Checks;

impl Checks {
    /// The configured `healthCheck`s for a server, from the widest to the narrowest: fields of a later one
    /// come before those of an earlier one, and what the manifest says comes before all of them.
    ///
    /// An image is looked up as it is written and, where that is not configured, without tag and digest.
    pub fn layers(&self, transport: &str, image: Option<&str>, package: Option<&str>) -> Vec<&Value> {
        let by_image =
            |image: &str| self.by_image.get(image).or_else(|| self.by_image.get(repository(image)));
        let by_package = |package: &str| self.by_package.get(package);
        let layers =
            [self.by_transport.get(transport), image.and_then(by_image), package.and_then(by_package)];
        layers.into_iter().flatten().collect()
    }
}

/// `host:5000/name:tag@sha256:…` gives `host:5000/name`.
fn repository(image: &str) -> &str {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_repository_is_an_image_without_tag_and_digest() {
        for image in ["r:5000/a/b", "r:5000/a/b:1", "r:5000/a/b@sha256:ff", "r:5000/a/b:1@sha256:ff"] {
            assert_eq!(repository(image), "r:5000/a/b");
        }
    }

    #[test]
    fn the_narrower_check_comes_later() {
        let checks = Checks {
            by_transport: [("STDIO".to_owned(), json!(1))].into(),
            by_image: [("a".to_owned(), json!(2)), ("a:9".to_owned(), json!(3))].into(),
            by_package: [("p".to_owned(), json!(4))].into(),
            ..Checks::default()
        };
        assert_eq!(checks.layers("STDIO", Some("a:1"), None), [&json!(1), &json!(2)]);
        assert_eq!(checks.layers("SSE", Some("a:9"), None), [&json!(3)]);
        assert_eq!(checks.layers("STDIO", None, Some("p")), [&json!(1), &json!(4)]);
        assert!(checks.layers("SSE", Some("b"), Some("q")).is_empty());
    }
}
