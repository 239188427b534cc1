// What candle's graph has no operation for, on NVIDIA's cards. Compiled by NVRTC when a run begins; needs no header.

// -- The steps of an LSTM layer, forwards and backwards. A block does, step after step, the product with the recurrent
// weights and all that follows it for a few hidden units of 32 streams. Between two steps all blocks wait for each other,
// so they must all be on the card at once; where there are too many, each step is a launch of its own.
//
// All of a layer stands in one list, `kept`, so that what backward needs is what forward gave:
//   h (steps + 1, streams, hidden), from the one before the first step;
//   c (steps + 1, streams, hidden), likewise;
//   gates (steps, streams, 4 * hidden), input, forget, candidate, output, after their sigmoids and tanh.

// Streams a block takes: a warp's lanes.
#define LANES 32
// Rows of weights a block takes, in groups of four.
#define ROWS 8
// Parts the depth of a product is cut into, each for two warps.
#define SLICES 4
#define THREADS (LANES * SLICES * ROWS / 4)
// Depth that is in shared memory at a time.
#define DEPTH 256
// A row there is longer, so that 32 lanes reading 4 numbers each meet no bank twice.
#define STRIDE (DEPTH + 4)

struct __align__(16) Shared {
    float streams[LANES * STRIDE];
    float rows[ROWS * STRIDE];
};

// Waits until all blocks are here for the `round`th time, from 1. `arrived` begins at 0.
static __device__ void meet(unsigned int *arrived, unsigned int round) {
    __syncthreads();
    if (threadIdx.x == 0) {
        __threadfence();
        atomicAdd(arrived, 1);
        while (*(volatile unsigned int *)arrived < round * gridDim.x * gridDim.y) {
        }
        __threadfence();
    }
    __syncthreads();
}

// A number that another block may have written since this one's cache was filled.
static __device__ float fresh(const float *number) {
    float value;
    asm volatile("ld.global.cg.f32 %0, [%1];" : "=f"(value) : "l"(number) : "memory");
    return value;
}

// The products of ROWS rows of weights with up to LANES rows of `vectors (streams, depth)`, from stream `first` on:
// this thread gets that of row threadIdx.x / LANES and stream first + threadIdx.x % LANES. `weights + row_start[row]` is
// a row of weights; a negative start is a row that is not there.
static __device__ float products(Shared &shared, const float *vectors, int streams, int first, int depth,
                                 const float *weights, const long long *row_start) {
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    const int group = warp % (ROWS / 4), slice = warp / (ROWS / 4);
    float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int start = 0; start < depth; start += DEPTH) {
        __syncthreads();
#pragma unroll 8
        for (int at = threadIdx.x; at < LANES * DEPTH; at += THREADS) {
            const int stream = at / DEPTH, column = at % DEPTH;
            const bool is_there = first + stream < streams && start + column < depth;
            shared.streams[stream * STRIDE + column] =
                is_there ? fresh(vectors + (long long)(first + stream) * depth + start + column) : 0.0f;
        }
#pragma unroll
        for (int at = threadIdx.x; at < ROWS * DEPTH; at += THREADS) {
            const int row = at / DEPTH, column = at % DEPTH;
            const bool is_there = row_start[row] >= 0 && start + column < depth;
            shared.rows[row * STRIDE + column] = is_there ? weights[row_start[row] + start + column] : 0.0f;
        }
        __syncthreads();
        const float *vector = shared.streams + lane * STRIDE;
        const float *rows = shared.rows + 4 * group * STRIDE;
        const int from = slice * (DEPTH / SLICES);
#pragma unroll 4
        for (int at = from; at < from + DEPTH / SLICES; at += 4) {
            const float4 v = *reinterpret_cast<const float4 *>(vector + at);
#pragma unroll
            for (int row = 0; row < 4; row++) {
                const float4 w = *reinterpret_cast<const float4 *>(rows + row * STRIDE + at);
                sums[row] += v.x * w.x + v.y * w.y + v.z * w.z + v.w * w.w;
            }
        }
    }
    // The slices' sums, one behind the other, in the same order every time.
    __syncthreads();
    float *parts = shared.streams;
    for (int row = 0; row < 4; row++) {
        parts[(slice * ROWS + 4 * group + row) * LANES + lane] = sums[row];
    }
    __syncthreads();
    float sum = 0.0f;
    for (int part = 0; part < SLICES; part++) {
        sum += parts[part * ROWS * LANES + threadIdx.x];
    }
    return sum;
}

static __device__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// Steps `from` to `to`: `gates (steps, streams, 4 * hidden)` holds the input's share of each gate and its bias; `recurrent
// (4 * hidden, hidden)`. Block (x, y) takes hidden units 2x and 2x + 1 of the streams from 32y on.
extern "C" __global__ void __launch_bounds__(THREADS)
    forward(const float *gates, const float *recurrent, float *kept, unsigned int *arrived, int from, int to, int steps,
            int streams, int hidden) {
    __shared__ Shared shared;
    __shared__ long long row_start[ROWS];
    __shared__ float sums[ROWS][LANES];
    const int first_unit = blockIdx.x * (ROWS / 4), first_stream = blockIdx.y * LANES;
    const int lane = threadIdx.x % LANES, row = threadIdx.x / LANES;
    if (threadIdx.x < ROWS) {
        const int unit = first_unit + threadIdx.x / 4, gate = threadIdx.x % 4;
        row_start[threadIdx.x] = unit < hidden ? ((long long)gate * hidden + unit) * hidden : -1;
    }
    __syncthreads();
    const long long cells = (long long)streams * hidden;
    const int unit = first_unit + row, stream = first_stream + lane;
    const long long cell = (long long)stream * hidden + unit, gate = 4LL * stream * hidden + unit;
    const bool is_mine = row < ROWS / 4 && unit < hidden && stream < streams;
    for (int step = from; step < to; step++) {
        float *outputs = kept + (step + 1) * cells;
        float *memories = kept + (steps + 2 + step) * cells;
        float *opened = kept + 2 * (steps + 1) * cells + 4 * step * cells;
        sums[row][lane] = products(shared, outputs - cells, streams, first_stream, hidden, recurrent, row_start);
        __syncthreads();
        if (is_mine) {
            const float *given = gates + 4 * step * cells + gate;
            const float i = sigmoid(given[0] + sums[4 * row][lane]);
            const float f = sigmoid(given[hidden] + sums[4 * row + 1][lane]);
            const float g = tanhf(given[2 * hidden] + sums[4 * row + 2][lane]);
            const float o = sigmoid(given[3 * hidden] + sums[4 * row + 3][lane]);
            const float c = f * memories[cell - cells] + i * g;
            opened[gate] = i;
            opened[gate + hidden] = f;
            opened[gate + 2 * hidden] = g;
            opened[gate + 3 * hidden] = o;
            memories[cell] = c;
            outputs[cell] = o * tanhf(c);
        }
        if (step + 1 < to) {
            meet(arrived, step + 1 - from);
        }
    }
}

// Steps `to` - 1 down to `from`, after those behind them: from the gradient of `kept` (of its h alone) to that of `gates`.
// `transposed (hidden, 4 * hidden)`; `memory (streams, hidden)` is the gradient of c, which goes from step to step. Block
// (x, y) takes 8 hidden units from 8x on of the streams from 32y on.
extern "C" __global__ void __launch_bounds__(THREADS)
    backward(const float *kept, const float *kept_gradient, const float *transposed, float *gates_gradient,
             float *memory, unsigned int *arrived, int from, int to, int steps, int streams, int hidden) {
    __shared__ Shared shared;
    __shared__ long long row_start[ROWS];
    const int first_unit = blockIdx.x * ROWS, first_stream = blockIdx.y * LANES;
    const int lane = threadIdx.x % LANES, row = threadIdx.x / LANES;
    if (threadIdx.x < ROWS) {
        const int unit = first_unit + threadIdx.x;
        row_start[threadIdx.x] = unit < hidden ? 4LL * unit * hidden : -1;
    }
    __syncthreads();
    const long long cells = (long long)streams * hidden;
    const int unit = first_unit + row, stream = first_stream + lane;
    const long long cell = (long long)stream * hidden + unit, gate = 4LL * stream * hidden + unit;
    const bool is_mine = unit < hidden && stream < streams;
    for (int step = to - 1; step >= from; step--) {
        const bool is_last = step + 1 == steps;
        float output_gradient = 0.0f;
        if (!is_last) {
            output_gradient = products(shared, gates_gradient + 4 * (step + 1) * cells, streams, first_stream,
                                       4 * hidden, transposed, row_start);
        }
        if (is_mine) {
            const float *opened = kept + 2 * (steps + 1) * cells + 4 * step * cells + gate;
            const float *memories = kept + (steps + 2 + step) * cells;
            const float i = opened[0], f = opened[hidden], g = opened[2 * hidden], o = opened[3 * hidden];
            const float bent = tanhf(memories[cell]);
            output_gradient += kept_gradient[(step + 1) * cells + cell];
            const float c = (is_last ? 0.0f : memory[cell]) + output_gradient * o * (1.0f - bent * bent);
            float *gradient = gates_gradient + 4 * step * cells + gate;
            gradient[0] = c * g * i * (1.0f - i);
            gradient[hidden] = c * memories[cell - cells] * f * (1.0f - f);
            gradient[2 * hidden] = c * i * (1.0f - g * g);
            gradient[3 * hidden] = output_gradient * bent * o * (1.0f - o);
            memory[cell] = c * f;
        }
        if (step > from) {
            meet(arrived, to - step);
        }
    }
}

// -- Dropout: the masks of dropout.rs and noise.rs, drawn where they are used.

static __device__ unsigned long long mix(unsigned long long z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

// Each of the `count` units is kept and scaled, or zero. A thread takes the four units of a draw.
extern "C" __global__ void drop_units(const float *units, float *kept, unsigned long long key, unsigned int threshold,
                                      float scale, long long count) {
    const long long draw = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    const unsigned long long bits = mix(key + (draw + 1) * 0x9E3779B97F4A7C15ULL);
    for (int unit = 0; unit < 4; unit++) {
        const long long at = 4 * draw + unit;
        if (at < count) {
            kept[at] = ((bits >> (16 * unit)) & 0xFFFF) >= threshold ? units[at] * scale : 0.0f;
        }
    }
}
