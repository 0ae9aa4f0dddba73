//! The contract as Rust: generated from `wit/`, so that this crate can not drift from it.
#![expect(clippy::pedantic, reason = "generated code")]

wit_bindgen::generate!({
    path: "../wit",
    world: "probe",
    pub_export_macro: true,
    export_macro_name: "export_bindings",
});
