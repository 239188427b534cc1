//! What candle's graph has no operation for, or takes too many for, on NVIDIA's cards.
//!
//! In: tensors on a card. Out: tensors, with gradients. The kernels are in `kernels.cu`. Is not for a CPU, and knows no
//! network.

mod leave_out;
mod recurrence;

pub(super) use leave_out::drop_units;
pub(super) use recurrence::recur;

use candle_core::cuda_backend::CudaDevice;
use candle_core::cuda_backend::cudarc::driver::{CudaFunction, CudaView};
use candle_core::cuda_backend::cudarc::nvrtc;
use candle_core::{CudaStorage, Error, Layout, Result, bail};
use std::sync::OnceLock;

/// A kernel, ready to be launched; all are compiled once a process.
fn kernel(device: &CudaDevice, name: &str) -> Result<CudaFunction> {
    static COMPILED: OnceLock<std::result::Result<String, String>> = OnceLock::new();
    let compile = || {
        nvrtc::compile_ptx(include_str!("kernels.cu"))
            .map(|ptx| ptx.to_src())
            .map_err(|error| format!("{error:?}"))
    };
    match COMPILED.get_or_init(compile) {
        Ok(ptx) => Ok(device
            .get_or_load_custom_func(name, "ceilid", ptx)?
            .into_cuda_function()),
        Err(error) => Err(Error::Msg(format!(
            "the card's kernels do not compile: {error}"
        ))),
    }
}

/// The numbers of a contiguous tensor.
fn numbers<'a>(storage: &'a CudaStorage, layout: &Layout) -> Result<CudaView<'a, f32>> {
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(storage.as_cuda_slice::<f32>()?.slice(from..to)),
        None => bail!("the card's kernels take contiguous tensors"),
    }
}
