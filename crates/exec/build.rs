//! Compiles the kernels of `CudaExecutor` to PTX, if feature `cuda` is on.
//!
//! The compiler and the architecture are those of candle's kernels: `nvcc` from the path, `CUDA_COMPUTE_CAP` or the GPU
//! of this machine. So a program needs no compiler but that of the driver, and a kernel that does not compile fails the
//! build.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=cuda");
    #[cfg(feature = "cuda")]
    kernels();
}

#[cfg(feature = "cuda")]
fn kernels() {
    let built = cudaforge::KernelBuilder::new()
        .source_files(["cuda/kernels.cu"])
        .watch(["cuda"])
        // The kernels are in the headers, which its cache does not know.
        .no_incremental()
        .args(["-std=c++17", "-O3"])
        .build_ptx();
    if let Err(error) = built {
        // Cargo shows what nvcc printed, and runs this script again, only if it fails.
        panic!("nvcc cannot compile crates/exec/cuda/kernels.cu: {error}");
    }
}
