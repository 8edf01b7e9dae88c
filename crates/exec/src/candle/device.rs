//! [`open`]: candle's handle of a device, one per device for the whole process.

use super::{Device, ExecError, Mode, pass_of};

/// Opens a device for candle.
///
/// # Errors
/// [`ExecError::Device`] if the program was built without the device's feature, or the driver refuses it.
pub(super) fn open(device: Device) -> Result<candle_core::Device, ExecError> {
    match device {
        Device::Cpu => Ok(candle_core::Device::Cpu),
        Device::Cuda(index) => {
            cuda(index).map_err(|source| ExecError::Device { device, source: Box::new(source) })
        }
    }
}

/// candle's handle of a GPU.
///
/// # Errors
/// As [`open`].
#[cfg(feature = "cuda")]
pub(crate) fn open_cuda(device: Device) -> Result<candle_core::CudaDevice, ExecError> {
    Ok(open(device)?.as_cuda_device()?.clone())
}

/// The error of a pass; if the GPU has no memory left, with the size of the pass and what to do.
pub(crate) fn out_of_memory(error: ExecError, mode: Mode, size: [usize; 3]) -> ExecError {
    // candle passes the driver's error on as text.
    let is_it = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
        .any(|error| error.to_string().contains("OUT_OF_MEMORY"));
    if is_it { ExecError::GpuMemory { what: pass_of(mode, size), source: Box::new(error) } } else { error }
}

/// Without the feature, candle says that it is missing.
#[cfg(not(feature = "cuda"))]
fn cuda(index: usize) -> candle_core::Result<candle_core::Device> {
    candle_core::Device::new_cuda(index)
}

/// The handle of a GPU. Every executor of the process gets the same one, because candle refuses to mix
/// tensors of two handles, and each handle loads all kernels anew.
///
/// The handle has one explicit stream. `Device::new_cuda` would use the stream of the calling thread: a pass
/// uploads images on one thread and computes on another, so its kernels could start before their input is
/// there.
#[cfg(feature = "cuda")]
fn cuda(index: usize) -> candle_core::Result<candle_core::Device> {
    use std::collections::BTreeMap;
    use std::sync::{Mutex, PoisonError};

    static OPEN: Mutex<BTreeMap<usize, candle_core::Device>> = Mutex::new(BTreeMap::new());
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(device) = open.get(&index) {
        return Ok(device.clone());
    }
    let device = candle_core::Device::new_cuda_with_stream(index)?;
    configure(device.as_cuda_device()?)?;
    open.insert(index, device.clone());
    Ok(device)
}

/// Switches off what would cost time in every step.
#[cfg(feature = "cuda")]
#[allow(unsafe_code, reason = "calls of the driver, which is foreign code")]
fn configure(device: &candle_core::CudaDevice) -> candle_core::Result<()> {
    use candle_core::cuda_backend::WrapErr as _;
    use candle_core::cuda_backend::cudarc::driver::{result, sys};

    // SAFETY: events order the uses of a buffer by several streams. All buffers of this process on this GPU
    // come from this handle, which has one stream, and a stream runs its work in order.
    unsafe { device.disable_event_tracking() };
    let context = device.cuda_stream().context().clone();
    let mut keep_all = u64::MAX;
    // SAFETY: the context keeps its device open during both calls, and the driver reads one `u64`, as this
    // attribute demands, before the second call returns.
    unsafe {
        let pool = result::device::get_default_mem_pool(context.cu_device()).w()?;
        // By default, the driver returns free memory to the system whenever the host waits, and has to ask for
        // it again in the next step.
        result::mem_pool::set_attribute(
            pool,
            sys::CUmemPool_attribute_enum::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD,
            (&raw mut keep_all).cast(),
        )
        .w()
    }
}

/// The version of CUDA that the driver supports, as in 13010 for 13.1, and name and bytes of memory of every GPU.
/// Opens none, because an open GPU holds memory.
#[cfg(feature = "cuda")]
#[allow(unsafe_code, reason = "calls of the driver, which is foreign code")]
pub(crate) fn gpus() -> candle_core::Result<(i32, Vec<(String, u64)>)> {
    use candle_core::cuda_backend::WrapErr as _;
    use candle_core::cuda_backend::cudarc::driver::{result, sys};

    match result::init() {
        Err(error) if error.0 == sys::CUresult::CUDA_ERROR_NO_DEVICE => return Ok((0, Vec::new())),
        other => other.w()?,
    }
    let mut version = 0;
    // SAFETY: the driver writes one integer.
    unsafe { sys::cuDriverGetVersion(&raw mut version) }.result().w()?;
    let describe = |index: i32| {
        let device = result::device::get(index).w()?;
        let name = result::device::get_name(device).w()?;
        // SAFETY: the driver gave this device.
        let memory = unsafe { result::device::total_mem(device) }.w()?;
        Ok((name, memory as u64))
    };
    let all = (0..result::device::get_count().w()?).map(describe);
    Ok((version, all.collect::<candle_core::Result<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_gpu_names_batch_and_size() {
        let full = candle_core::Error::msg("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")");
        let layer = ExecError::Layer { node: "a".to_owned(), source: Box::new(full) };
        let text = out_of_memory(layer, Mode::Train, [16, 640, 480]).to_string();
        assert!(text.contains("16 images of 640x480") && text.contains("--batch"), "{text}");
        let other = ExecError::from(candle_core::Error::msg("no kernel"));
        assert!(!out_of_memory(other, Mode::Train, [1, 2, 3]).to_string().contains("--batch"));
    }
}
