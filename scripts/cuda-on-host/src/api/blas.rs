//! cuBLAS, as far as candle calls it.

use libc::c_void;

use crate::driver::with_context;
use crate::fault::fault;
use crate::job::Job;
use crate::product::{Matrices, Product};
use crate::{Handle, SUCCESS, Status};

/// `CUBLAS_STATUS_INVALID_VALUE`.
const INVALID_VALUE: Status = 7;
/// `CUBLAS_STATUS_EXECUTION_FAILED`.
const EXECUTION_FAILED: Status = 13;
/// `CUDA_R_32F`.
const FLOAT: i32 = 0;
/// `CUBLAS_OP_N`.
const NOT_TRANSPOSED: i32 = 0;

/// A library handle: the stream that it works on.
struct Blas {
    stream: Handle,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasCreate_v2(handle: *mut Handle) -> Status {
    // SAFETY: the caller passes a place for the result.
    unsafe { *handle = Box::into_raw(Box::new(Blas { stream: 0 })) as Handle };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasDestroy_v2(handle: Handle) -> Status {
    // SAFETY: the handle came from `cublasCreate_v2`, and is destroyed once.
    drop(unsafe { Box::from_raw(handle as *mut Blas) });
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasSetStream_v2(handle: Handle, stream: Handle) -> Status {
    // SAFETY: the handle came from `cublasCreate_v2`.
    unsafe { (*(handle as *mut Blas)).stream = stream };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasSetMathMode(_handle: Handle, _mode: i32) -> Status {
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasSetWorkspace_v2(_handle: Handle, _at: *mut c_void, _bytes: usize) -> Status {
    SUCCESS
}

#[allow(clippy::too_many_arguments, reason = "the entry point has these arguments")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasGemmStridedBatchedEx(
    handle: Handle,
    transpose_a: i32,
    transpose_b: i32,
    m: i32,
    n: i32,
    k: i32,
    alpha: *const c_void,
    a: Handle,
    type_a: i32,
    pitch_a: i32,
    stride_a: i64,
    b: Handle,
    type_b: i32,
    pitch_b: i32,
    stride_b: i64,
    beta: *const c_void,
    c: Handle,
    type_c: i32,
    pitch_c: i32,
    stride_c: i64,
    batch: i32,
    _compute: i32,
    _algorithm: i32,
) -> Status {
    if [type_a, type_b, type_c] != [FLOAT; 3] {
        fault(format_args!(
            "products of types {type_a}, {type_b}, {type_c} are not implemented; only f32 (0) is"
        ));
    }
    let [stored_a, stored_b] = [
        if transpose_a == NOT_TRANSPOSED { m } else { k },
        if transpose_b == NOT_TRANSPOSED { k } else { n },
    ];
    if [m, n, k, batch].iter().any(|size| *size < 0)
        || [stride_a, stride_b, stride_c].iter().any(|stride| *stride < 0)
        || pitch_a < stored_a
        || pitch_b < stored_b
        || pitch_c < m
    {
        return INVALID_VALUE;
    }
    let status = with_context(|driver| {
        driver.counts.called("products");
        let matrices = |at, transpose, pitch: i32, stride: i64| Matrices {
            at,
            transposed: transpose != NOT_TRANSPOSED,
            pitch: pitch as usize,
            stride: stride as usize,
        };
        // SAFETY: the caller passes pointers to two floats of the host, and a handle of `cublasCreate_v2`.
        let (alpha, beta, stream) =
            unsafe { (*alpha.cast::<f32>(), *beta.cast::<f32>(), (*(handle as *const Blas)).stream) };
        let product = Product {
            alpha,
            beta,
            a: matrices(a, transpose_a, pitch_a, stride_a),
            b: matrices(b, transpose_b, pitch_b, stride_b),
            c: matrices(c, NOT_TRANSPOSED, pitch_c, stride_c),
            size: [m as usize, n as usize, k as usize],
            batch: batch as usize,
        };
        product.check(&driver.memory);
        driver.submit(stream, Job::Product(product))
    });
    // cuBLAS has its own numbers for errors.
    if status == SUCCESS { SUCCESS } else { EXECUTION_FAILED }
}
