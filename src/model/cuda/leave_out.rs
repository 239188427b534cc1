//! Dropout as an operation of candle's graph on NVIDIA's cards: masks are drawn where they are used, not sent there.
//!
//! In: units and where their fate comes from. Out: what is left of them; backwards, the same of their gradient. The masks
//! are those of [`Dropout`] on the processor, unit for unit.

// The launch: a kernel is told where its lists are and how long.
#![allow(unsafe_code)]

use super::super::dropout::Dropout;
use super::{kernel, numbers};
use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::{LaunchConfig, PushKernelArg};
use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

/// [`Dropout::drop_units`] of a tensor on a card.
pub(in super::super) fn drop_units(units: &Tensor, share: f32, noise: Dropout) -> Result<Tensor> {
    units.contiguous()?.apply_op1(Drop { share, noise })
}

#[derive(Clone, Copy)]
struct Drop {
    share: f32,
    noise: Dropout,
}

const THREADS: u32 = 256;

impl CustomOp1 for Drop {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        bail!("this dropout is for CUDA")
    }

    fn cuda_fwd(&self, units: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let device = units.device();
        let count = layout.shape().elem_count();
        let units = numbers(units, layout)?;
        let mut kept = device.alloc_zeros::<f32>(count)?;
        let drop_units = kernel(device, "drop_units")?;
        let (key, threshold, scale) = self.noise.chances(self.share);
        let length = count as i64; // lossless
        let stream = device.cuda_stream();
        let mut launch = stream.launch_builder(&drop_units);
        launch.arg(&units).arg(&mut kept);
        launch.arg(&key).arg(&threshold).arg(&scale).arg(&length);
        // A thread takes four units. Lossless: no batch has 2³² of them.
        let blocks = count.div_ceil(4 * THREADS as usize) as u32;
        // SAFETY: the kernel takes these six in this order; it reads and writes the first `length` numbers of lists that
        // have as many.
        unsafe {
            launch.launch(LaunchConfig {
                grid_dim: (blocks, 1, 1),
                block_dim: (THREADS, 1, 1),
                shared_mem_bytes: 0,
            })
        }
        .w()?;
        let kept = CudaStorage::wrap_cuda_slice(kept, device.clone());
        Ok((kept, layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let gradient = gradient.contiguous()?.apply_op1_no_bwd(self)?;
        Ok(Some(gradient))
    }
}
