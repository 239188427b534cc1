//! What of an LSTM layer goes from step to step, as one operation of candle's graph on NVIDIA's cards.
//!
//! In: what the input gives the gates at every step, the recurrent weights, and h and c before the first. Out: h, c and
//! gates of every step; backwards, gradients. All steps are one launch, where plain tensor operations
//! make a dozen a step forwards and forty backwards. Does not multiply the inputs, and is not for a CPU.

// The launches: a kernel is told where its lists are and how long.
#![allow(unsafe_code)]

use super::{kernel, numbers};
use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::sys::CUdevice_attribute;
use candle_core::cuda_backend::cudarc::driver::{
    CudaFunction, CudaStream, LaunchConfig, PushKernelArg,
};
use candle_core::{CpuStorage, CudaStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};

/// h of every step `(steps, streams, hidden)`, and h and c of the last `(2, streams, hidden)`.
pub(in super::super) struct Recurred {
    pub(in super::super) outputs: Tensor,
    pub(in super::super) end: Tensor,
}

/// Runs the steps. `gates (steps, streams, 4·hidden)` holds each input's share and the bias, `recurrent (4·hidden,
/// hidden)`, `start (2, streams, hidden)`, of which no gradient is asked.
pub(in super::super) fn recur(
    gates: &Tensor,
    recurrent: &Tensor,
    start: &Tensor,
) -> Result<Recurred> {
    let sizes = Sizes::of(gates)?;
    let kept = gates.contiguous()?.apply_op3(
        &recurrent.contiguous()?,
        &start.contiguous()?,
        Forward(sizes),
    )?;
    let (cells, steps) = (sizes.cells(), sizes.steps);
    let of_step = (1, sizes.streams, sizes.hidden);
    let end = |first| kept.narrow(0, first, cells)?.reshape(of_step);
    Ok(Recurred {
        outputs: kept.narrow(0, cells, steps * cells)?.reshape((
            steps,
            sizes.streams,
            sizes.hidden,
        ))?,
        end: Tensor::cat(&[end(steps * cells)?, end((2 * steps + 1) * cells)?], 0)?,
    })
}

#[derive(Clone, Copy)]
struct Sizes {
    steps: usize,
    streams: usize,
    hidden: usize,
}

impl Sizes {
    fn of(gates: &Tensor) -> Result<Self> {
        let (steps, streams, width) = gates.dims3()?;
        let hidden = width / 4;
        Ok(Self {
            steps,
            streams,
            hidden,
        })
    }

    /// Numbers of h, or of c, of one step.
    fn cells(self) -> usize {
        self.streams * self.hidden
    }

    /// Numbers of the list that is kept: h and c before every step and after the last, and the gates.
    fn kept(self) -> usize {
        (2 * (self.steps + 1) + 4 * self.steps) * self.cells()
    }

    /// Blocks of a launch that take `units` hidden units each.
    fn launch(self, units: usize) -> LaunchConfig {
        // Lossless: sizes are at most `SIZE_MAX`, and a batch's streams fewer.
        let blocks = |count: usize, of: usize| count.div_ceil(of) as u32;
        LaunchConfig {
            grid_dim: (
                blocks(self.hidden, units),
                blocks(self.streams, STREAMS_PER_BLOCK),
                1,
            ),
            block_dim: (THREADS, 1, 1),
            shared_mem_bytes: 0,
        }
    }

    /// As the kernels take them.
    fn arguments(self) -> [i32; 3] {
        [self.steps, self.streams, self.hidden].map(|size| size as i32) // lossless: far fewer
    }

    /// Whether all blocks of a launch are on the card at once, so that they can wait for each other.
    fn fits(
        kernel: &CudaFunction,
        stream: &CudaStream,
        LaunchConfig { grid_dim, .. }: LaunchConfig,
    ) -> Result<bool> {
        let of_one = kernel
            .occupancy_max_active_blocks_per_multiprocessor(THREADS, 0, None)
            .w()?;
        let processors = CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT;
        let processors = stream.context().attribute(processors).w()?.unsigned_abs();
        let blocks = u64::from(grid_dim.0) * u64::from(grid_dim.1);
        Ok(blocks <= u64::from(of_one) * u64::from(processors))
    }
}

// As `kernels.cu` has them.
const STREAMS_PER_BLOCK: usize = 32;
const FORWARD_UNITS_PER_BLOCK: usize = 2;
const BACKWARD_UNITS_PER_BLOCK: usize = 8;
const THREADS: u32 = 256;

struct Forward(Sizes);

impl CustomOp3 for Forward {
    fn name(&self) -> &'static str {
        "recurrence"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        bail!("the recurrence is for CUDA")
    }

    fn cuda_fwd(
        &self,
        gates: &CudaStorage,
        gates_layout: &Layout,
        recurrent: &CudaStorage,
        recurrent_layout: &Layout,
        start: &CudaStorage,
        start_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let (sizes, device) = (self.0, gates.device());
        let (gates, recurrent) = (
            numbers(gates, gates_layout)?,
            numbers(recurrent, recurrent_layout)?,
        );
        let start = numbers(start, start_layout)?;
        let cells = sizes.cells();
        let mut kept = device.alloc_zeros::<f32>(sizes.kept())?;
        for (from, to) in [(0, 0), (cells, (sizes.steps + 1) * cells)] {
            let mut to = kept.slice_mut(to..to + cells);
            device.memcpy_dtod(&start.slice(from..from + cells), &mut to)?;
        }
        let mut arrived = device.alloc_zeros::<u32>(1)?;
        let (stream, forward) = (device.cuda_stream(), kernel(device, "forward")?);
        let config = sizes.launch(FORWARD_UNITS_PER_BLOCK);
        let fits = Sizes::fits(&forward, &stream, config)?;
        let [steps, streams, hidden] = sizes.arguments();
        let at_once = if fits { steps } else { 1 };
        for from in (0..steps).step_by(at_once as usize) {
            let to = from + at_once;
            let mut launch = stream.launch_builder(&forward);
            launch.arg(&gates).arg(&recurrent).arg(&mut kept);
            launch.arg(&mut arrived).arg(&from).arg(&to);
            launch.arg(&steps).arg(&streams).arg(&hidden);
            // SAFETY: the kernel takes these nine in this order; it reads `gates` and `recurrent` and writes `kept` inside
            // the sizes given, which are those the lists were made with; its blocks wait for each other only where all of
            // them are there; launches of one stream run one after the other.
            unsafe {
                match fits {
                    true => launch.launch_cooperative(config),
                    false => launch.launch(config),
                }
            }
            .w()?;
        }
        let kept = CudaStorage::wrap_cuda_slice(kept, device.clone());
        Ok((kept, Shape::from(sizes.kept())))
    }

    fn bwd(
        &self,
        _: &Tensor,
        recurrent: &Tensor,
        _: &Tensor,
        kept: &Tensor,
        kept_gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let sizes = self.0;
        let rows = sizes.steps * sizes.streams;
        let gates = kept.apply_op3_no_bwd(
            &kept_gradient.contiguous()?,
            &recurrent.t()?.contiguous()?,
            &Backward(sizes),
        )?;
        let before = kept
            .narrow(0, 0, rows * sizes.hidden)?
            .reshape((rows, sizes.hidden))?;
        let of_recurrent = gates
            .reshape((rows, 4 * sizes.hidden))?
            .t()?
            .matmul(&before)?;
        Ok((Some(gates), Some(of_recurrent), None))
    }
}

/// From what was kept, its gradient and the transposed recurrent weights to the gradient of the gates.
struct Backward(Sizes);

impl CustomOp3 for Backward {
    fn name(&self) -> &'static str {
        "recurrence-backward"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        bail!("the recurrence is for CUDA")
    }

    fn cuda_fwd(
        &self,
        kept: &CudaStorage,
        kept_layout: &Layout,
        gradient: &CudaStorage,
        gradient_layout: &Layout,
        transposed: &CudaStorage,
        transposed_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let (sizes, device) = (self.0, kept.device());
        let (kept, gradient) = (
            numbers(kept, kept_layout)?,
            numbers(gradient, gradient_layout)?,
        );
        let transposed = numbers(transposed, transposed_layout)?;
        let mut gates = device.alloc_zeros::<f32>(4 * sizes.steps * sizes.cells())?;
        let mut memory = device.alloc_zeros::<f32>(sizes.cells())?;
        let mut arrived = device.alloc_zeros::<u32>(1)?;
        let (stream, backward) = (device.cuda_stream(), kernel(device, "backward")?);
        let config = sizes.launch(BACKWARD_UNITS_PER_BLOCK);
        let fits = Sizes::fits(&backward, &stream, config)?;
        let [steps, streams, hidden] = sizes.arguments();
        let at_once = if fits { steps } else { 1 };
        for from in (0..steps).step_by(at_once as usize).rev() {
            let to = from + at_once;
            let mut launch = stream.launch_builder(&backward);
            launch.arg(&kept).arg(&gradient).arg(&transposed);
            launch.arg(&mut gates).arg(&mut memory);
            launch.arg(&mut arrived).arg(&from).arg(&to);
            launch.arg(&steps).arg(&streams).arg(&hidden);
            // SAFETY: the kernel takes these eleven in this order; it reads the first three and writes `gates` and `memory`
            // inside the sizes given, which are those the lists were made with; its blocks wait for each other only where
            // all of them are there; launches of one stream run one after the other.
            unsafe {
                match fits {
                    true => launch.launch_cooperative(config),
                    false => launch.launch(config),
                }
            }
            .w()?;
        }
        let gates = CudaStorage::wrap_cuda_slice(gates, device.clone());
        Ok((
            gates,
            Shape::from((sizes.steps, sizes.streams, 4 * sizes.hidden)),
        ))
    }
}
