//! A component, but no probe: it is made for a world that mcpd knows nothing of.

wit_bindgen::generate!({
    inline: r#"
        package somebody:elses;

        world plugin {
            export transform: func(input: string) -> string;
        }
    "#,
});

struct Plugin;

impl Guest for Plugin {
    fn transform(input: String) -> String {
        input
    }
}

export!(Plugin);
