//! Asking a network allocates nothing a step: whoever composes beside the music cannot be held up by the allocator.

#![allow(unsafe_code, reason = "an allocator that counts")]

use ceilid::model::ask::Ask;
use ceilid::model::characters_engine::CharactersEngine;
use ceilid::model::checkpoint::{Model, ModelCard};
use ceilid::model::engine::{EngineState, Storage};
use ceilid::model::shape::CharactersConfig;
use ceilid::model::weights::Weights;
use ceilid::token::Vocabulary;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, which counts what the thread asks of it.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

#[test]
fn a_step_a_batch_of_steps_and_a_branch_allocate_nothing() {
    assert!(allocations(|| drop(std::hint::black_box(vec![1_u8; 100]))) > 0);
    let vocabulary = Vocabulary::of_text("abcdefg").unwrap();
    let config = CharactersConfig {
        vocabulary_size: 7,
        embedding_size: 5,
        hidden_size: 48,
        layer_count: 3,
        dropout: 0.2,
    };
    for storage in [Storage::F32, Storage::Int16, Storage::Int8] {
        let model = Model {
            weights: Weights::random(config.clone(), 1),
            card: ModelCard::imported(config.clone(), vocabulary.clone()),
        };
        let engine = CharactersEngine::new(model, storage);
        let mut states: Vec<EngineState> = (0..5).map(|_| engine.state()).collect();
        let count = allocations(|| {
            for token in 0..7 {
                engine.step_many(&mut states, &[token; 5]);
                let (first, others) = states.split_first_mut().unwrap();
                engine.step(first, token);
                others[3].copy_from(first);
            }
        });
        assert_eq!(count, 0, "{storage:?}");
    }
}
