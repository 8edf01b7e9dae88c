//! Headers of plans, as shell commands.

/// Shell commands that write a plan of TensorRT of 204 bytes.
pub(crate) const WRITE_PLAN: &str =
    r#"{ printf ftrt; head -c 20 /dev/zero; printf '\010\006\001'; head -c 177 /dev/zero; } > "$engine""#;
/// Shell commands that write a plan of TensorRT-RTX of 204 bytes, with that length in its header.
pub(crate) const WRITE_RTX_PLAN: &str = r#"{ printf vtrt; head -c 12 /dev/zero; printf '\314\000\000\000\000\000\000\000\001\007\001'; head -c 177 /dev/zero; } > "$engine""#;
