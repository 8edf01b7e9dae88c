//! What the kernels compute, by definition and in `f64`.

pub(crate) mod conv;
