//! [`Launcher`]: runs programs on one GPU, in the order of a stream that nothing else uses.
#![allow(unsafe_code, reason = "kernels are foreign code; each block says why its launch or copy is sound")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bonsai_kernels::View;
use candle_core::CudaDevice;
use candle_core::cuda_backend::WrapErr as _;
use candle_core::cuda_backend::cudarc::driver::sys::{
    CUgraphInstantiate_flags, CUstreamCaptureMode, CUstreamCaptureStatus,
};
use candle_core::cuda_backend::cudarc::driver::{
    CudaEvent, CudaFunction, CudaGraph, CudaSlice, CudaStream, DevicePtr as _, DeviceRepr, LaunchConfig,
    PinnedHostSlice, PushKernelArg as _,
};

use super::step::{Arg, CudaProgram, RowsArg, Step, THREADS, WindowArg};
use crate::adamw::AdamFactors;
use crate::candle::open_cuda;
use crate::plan::buffers;
use crate::{Device, ExecError};

/// All kernels, as nvcc compiled them.
const PTX: &str = include_str!(concat!(env!("OUT_DIR"), "/kernels.ptx"));

/// The buffer through which arrays of the host pass, in addition to those of a plan.
pub(super) const STAGING: usize = buffers::COUNT;

/// Images of 8 bits.
pub(super) const BYTES: usize = STAGING + 1;

/// Address of the first value of each buffer, in the order of [`buffers`] and then [`STAGING`] and [`BYTES`].
pub(super) type Bases = [u64; BYTES + 1];

// SAFETY: both are `repr(C)` and consist of numbers, like the structs of the same name in the kernels.
unsafe impl DeviceRepr for WindowArg {}
// SAFETY: as above.
unsafe impl DeviceRepr for RowsArg {}
// SAFETY: as above.
unsafe impl DeviceRepr for AdamFactors {}

/// An argument as the driver takes it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    Address(u64),
    Rows(RowsArg),
    Int(i32),
    Long(i64),
    Float(f32),
    Window(WindowArg),
    Adam(AdamFactors),
}

/// A program with its kernels and tables on the GPU.
pub(super) struct Loaded {
    steps: Vec<(Step, CudaFunction)>,
    tables: CudaSlice<i32>,
    /// How often the program ran, and its launches recorded for these buffers.
    graph: RefCell<(usize, Option<(Bases, Graph)>)>,
}

/// A recorded program. The driver runs it with one call.
struct Graph {
    graph: CudaGraph,
    stream: Arc<CudaStream>,
}

impl Drop for Graph {
    /// Waits for the last run. A failure of earlier work shows in the next call.
    fn drop(&mut self) {
        let _ = self.stream.synchronize();
    }
}

// SAFETY: a graph must not be used by two threads at a time (CUDA driver API, "Graph object thread safety"). It is inside a
// `RefCell`, which no two threads can share.
unsafe impl Send for Graph {}

/// A GPU with its stream.
#[derive(Debug, Clone)]
pub(super) struct Launcher {
    device: CudaDevice,
    stream: Arc<CudaStream>,
    /// Kernels that were looked up before.
    kernels: Arc<Mutex<BTreeMap<&'static str, CudaFunction>>>,
    /// Whether programs are recorded when they run for the second time.
    records: bool,
}

impl Launcher {
    /// Opens a GPU.
    ///
    /// # Errors
    /// [`ExecError::Device`] if the driver refuses it.
    pub(super) fn open(device: Device) -> Result<Self, ExecError> {
        let device = open_cuda(device)?;
        // A stream of its own: a recording takes everything that any thread launches on the stream.
        let stream = device.cuda_stream().context().new_stream().w()?;
        Ok(Self { device, stream, kernels: Arc::default(), records: false })
    }

    /// Records programs as CUDA graphs, or launches every kernel.
    pub(super) fn record(&mut self, on: bool) {
        self.records = on;
    }

    /// Major and minor number of what the GPU can do.
    pub(super) fn compute_capability(&self) -> Result<(i32, i32), ExecError> {
        Ok(self.stream.context().compute_capability().w()?)
    }

    /// A kernel of cuda/kernels.cu.
    pub(super) fn kernel(&self, name: &'static str) -> Result<CudaFunction, ExecError> {
        let mut kernels = self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kernel) = kernels.get(name) {
            return Ok(kernel.clone());
        }
        let found = self.device.get_or_load_custom_func(name, "bonsai_kernels", PTX)?.into_cuda_function();
        kernels.insert(name, found.clone());
        Ok(found)
    }

    /// Looks up the kernels of a program and uploads its tables.
    pub(super) fn load(&self, program: CudaProgram) -> Result<Loaded, ExecError> {
        let CudaProgram { steps, mut tables } = program;
        // The driver refuses memory of no bytes.
        tables.push(0);
        let steps = steps.into_iter().map(|step| Ok((self.kernel(step.kernel)?, step)));
        let steps = steps.map(|pair: Result<_, ExecError>| pair.map(|(kernel, step)| (step, kernel)));
        let steps = steps.collect::<Result<_, _>>()?;
        Ok(Loaded { steps, tables: self.stream.clone_htod(&tables).w()?, graph: RefCell::default() })
    }

    /// Runs all kernels of a program on these buffers.
    pub(super) fn run(&self, program: &Loaded, bases: &Bases) -> Result<(), ExecError> {
        let (runs, recorded) = &mut *program.graph.borrow_mut();
        *runs += 1;
        // The first run loads the kernels, which a stream cannot do while it records.
        if !self.records || *runs == 1 || program.steps.is_empty() {
            return self.launch_all(program, bases);
        }
        if recorded.as_ref().is_none_or(|(recorded_for, _)| recorded_for != bases) {
            *recorded = None;
            self.stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL).w()?;
            let launched = self.launch_all(program, bases);
            let mut graph = self.stream.end_capture(CUgraphInstantiate_flags(0));
            // cudarc may report an earlier error before it ends the recording.
            if graph.is_err()
                && self.stream.capture_status() == Ok(CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_ACTIVE)
            {
                graph = self.stream.end_capture(CUgraphInstantiate_flags(0)).and(graph);
            }
            let graph = graph.w();
            launched?;
            *recorded = graph?.map(|graph| (*bases, Graph { graph, stream: self.stream.clone() }));
        }
        match recorded {
            Some((_, graph)) => Ok(graph.graph.launch().w()?),
            None => self.launch_all(program, bases),
        }
    }

    /// Launches all kernels of a program.
    fn launch_all(&self, program: &Loaded, bases: &Bases) -> Result<(), ExecError> {
        let tables = program.tables.device_ptr(&self.stream).0;
        let mut values = Vec::new();
        for (step, kernel) in &program.steps {
            values.clear();
            values.extend(step.args.iter().map(|arg| match *arg {
                Arg::At(view) => Value::Address(bases[view.buffer] + bytes::<f32>(view.offset)),
                Arg::Rows(view) => Value::Rows(rows(&view, bases)),
                Arg::NoRows => Value::Rows(RowsArg { at: 0, ld: 0, half: 0 }),
                Arg::Null => Value::Address(0),
                Arg::Table(entry) => Value::Address(tables + bytes::<i32>(entry)),
                Arg::Int(value) => Value::Int(value),
                Arg::Float(value) => Value::Float(value),
                Arg::Window(value) => Value::Window(value),
            }));
            let run = self.launch(kernel, step.grid, &values);
            run.map_err(|source| ExecError::Layer { node: step.label.clone(), source: Box::new(source) })?;
        }
        Ok(())
    }

    /// Launches a kernel with so many blocks.
    pub(super) fn launch(
        &self,
        kernel: &CudaFunction,
        grid: [usize; 3],
        values: &[Value],
    ) -> candle_core::Result<()> {
        let mut launch = self.stream.launch_builder(kernel);
        for value in values {
            match value {
                Value::Address(value) => launch.arg(value),
                Value::Rows(value) => launch.arg(value),
                Value::Int(value) => launch.arg(value),
                Value::Long(value) => launch.arg(value),
                Value::Float(value) => launch.arg(value),
                Value::Window(value) => launch.arg(value),
                Value::Adam(value) => launch.arg(value),
            };
        }
        let [x, y, z] = grid.map(|blocks| blocks as u32);
        let config =
            LaunchConfig { grid_dim: (x, y, z), block_dim: (THREADS as u32, 1, 1), shared_mem_bytes: 0 };
        // SAFETY: the arguments have the kernel's types; for kernels of plans, a test compares them with the source.
        // Every address lies in a buffer that the executor holds now and uses on this stream only; a buffer that was
        // replaced is freed in the order of the stream.
        unsafe { launch.launch(config) }.w().map(|_| ())
    }

    /// Memory with unknown content.
    pub(super) fn reserve<T: DeviceRepr>(&self, len: usize) -> Result<CudaSlice<T>, ExecError> {
        // SAFETY: programs write memory before they read it, which the tests on poisoned memory check.
        Ok(unsafe { self.stream.alloc(len.max(1)) }.w()?)
    }

    /// Zeroed memory.
    pub(super) fn zeros(&self, len: usize) -> Result<CudaSlice<f32>, ExecError> {
        Ok(self.stream.alloc_zeros(len.max(1)).w()?)
    }

    /// Sets values to zero.
    pub(super) fn zero(&self, to: &mut CudaSlice<f32>, range: Range<usize>) -> Result<(), ExecError> {
        if !range.is_empty() {
            self.stream.memset_zeros(&mut to.slice_mut(range)).w()?;
        }
        Ok(())
    }

    /// Makes memory long enough; its values are lost if it was not. The length grows in powers of two, so that lengths that
    /// vary a little need no new memory.
    pub(super) fn grow<T: DeviceRepr>(&self, memory: &mut CudaSlice<T>, len: usize) -> Result<(), ExecError> {
        if memory.len() < len {
            *memory = self.reserve(len.next_power_of_two().max(1 << 10))?;
        }
        Ok(())
    }

    /// Memory of the host that the GPU copies without a detour. Its values are unknown.
    pub(super) fn pinned(&self, len: usize) -> Result<PinnedHostSlice<u8>, ExecError> {
        // SAFETY: every value of a byte is valid, and an upload writes all of them first.
        Ok(unsafe { self.stream.context().alloc_pinned(len.max(1)) }.w()?)
    }

    /// Copies pinned memory to the GPU. The copy may run later, and cudarc does not know when it is done, because event
    /// tracking is off. So the caller waits for `copied` before it changes or frees the memory.
    pub(super) fn upload_pinned(
        &self,
        from: &PinnedHostSlice<u8>,
        to: &mut CudaSlice<u8>,
        copied: &CudaEvent,
    ) -> Result<(), ExecError> {
        self.stream.memcpy_htod(from, to).w()?;
        Ok(copied.record(&self.stream).w()?)
    }

    /// An event that has passed.
    pub(super) fn event(&self) -> Result<CudaEvent, ExecError> {
        Ok(self.stream.context().new_event(None).w()?)
    }

    /// Copies values of the host to the GPU, from `at` on.
    pub(super) fn upload<T: DeviceRepr>(
        &self,
        from: &[T],
        to: &mut CudaSlice<T>,
        at: usize,
    ) -> Result<(), ExecError> {
        if !from.is_empty() {
            self.stream.memcpy_htod(from, &mut to.slice_mut(at..at + from.len())).w()?;
        }
        Ok(())
    }

    /// Copies values between buffers of the GPU.
    pub(super) fn copy(&self, from: &CudaSlice<f32>, to: &mut CudaSlice<f32>) -> Result<(), ExecError> {
        Ok(self.stream.memcpy_dtod(from, to).w()?)
    }

    /// Copies values of the GPU to the host, after all work before.
    pub(super) fn download<T: DeviceRepr + Copy>(
        &self,
        from: &CudaSlice<T>,
        range: Range<usize>,
    ) -> Result<Vec<T>, ExecError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        // A copy to memory that is not pinned returns after it is done (CUDA driver API, "API synchronization behavior").
        Ok(self.stream.clone_dtoh(&from.slice(range)).w()?)
    }

    /// Address of the first value.
    pub(super) fn address<T>(&self, slice: &CudaSlice<T>) -> u64 {
        slice.device_ptr(&self.stream).0
    }
}

/// A view in the buffers with these addresses.
fn rows(view: &View, bases: &Bases) -> RowsArg {
    let half = view.buffer == buffers::HALVES;
    let before = if half { bytes::<u16>(view.offset) } else { bytes::<f32>(view.offset) };
    // The program was refused if the pitch does not fit.
    RowsArg { at: bases[view.buffer] + before, ld: view.ld as i32, half: half.into() }
}

/// Bytes of `len` values.
pub(super) const fn bytes<T>(len: usize) -> u64 {
    (len * size_of::<T>()) as u64
}
