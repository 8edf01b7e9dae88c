//! The entry points: the functions of NVIDIA's driver, cuBLAS and cuRAND that candle calls.

pub mod blas;
pub mod context;
pub mod counts;
pub mod graphs;
pub mod launch;
pub mod memory;
pub mod rand;
pub mod streams;
pub mod transfers;
