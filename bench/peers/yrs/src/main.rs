//! What native yrs costs on histories of updates: the same measurements as bench/yata/bench_yata.c,
//! which says what they are and what a history is.
//!
//!     bench-yrs [--apply] HISTORY...

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{Doc, ReadTxn, StateVector, Transact, Update};

const ENOUGH_US: f64 = 40_000.0;
const REPEATS: usize = 1000;
const ENCODES: usize = 10;
const VECTORS: usize = 100;
const TAIL: usize = 2000;
const MERGED: usize = 1000;

/// Counts what is asked for, as libyata counts its own; what the allocator adds is in neither.
struct Counting;
static USED: AtomicUsize = AtomicUsize::new(0);

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        USED.store(USED.load(Relaxed) + layout.size(), Relaxed);
        System.alloc(layout)
    }
    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        USED.store(USED.load(Relaxed) - layout.size(), Relaxed);
        System.dealloc(p, layout)
    }
    unsafe fn realloc(&self, p: *mut u8, layout: Layout, n: usize) -> *mut u8 {
        USED.store(USED.load(Relaxed) + n - layout.size(), Relaxed);
        System.realloc(p, layout, n)
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

extern "C" {
    fn clock_gettime(clock: i32, ret: *mut Timespec) -> i32;
}

fn now_us() -> f64 {
    const CLOCK_PROCESS_CPUTIME_ID: i32 = 2;
    let mut t = Timespec { seconds: 0, nanoseconds: 0 };
    unsafe { clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    t.seconds as f64 * 1e6 + t.nanoseconds as f64 / 1e3
}

struct History {
    behind: Vec<u8>,
    merged: Vec<u8>,
    updates: Vec<Vec<u8>>,
}

fn read(path: &str) -> History {
    let bytes = std::fs::read(path).expect("the history can be read");
    let mut records = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let n = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        records.push(bytes[at + 4..at + 4 + n].to_vec());
        at += 4 + n;
    }
    let updates = records.split_off(2);
    History { merged: records.pop().unwrap(), behind: records.pop().unwrap(), updates }
}

fn doc_new() -> Doc {
    Doc::with_client_id(1)
}

fn apply(doc: &Doc, update: &[u8]) {
    let update = Update::decode_v1(update).expect("an update");
    doc.transact_mut().apply_update(update).expect("it can be applied");
}

fn measure<T>(mut body: impl FnMut() -> T) -> f64 {
    let mut spent = 0.0;
    let mut n = 0;
    while n == 0 || (spent < ENOUGH_US && n < REPEATS) {
        let start = now_us();
        let made = body();
        spent += now_us() - start;
        drop(made);
        n += 1;
    }
    spent / n as f64
}

fn apply_all(h: &History, tail_us: &mut f64) -> Doc {
    let doc = doc_new();
    let tail = h.updates.len().saturating_sub(TAIL);
    h.updates[..tail].iter().for_each(|u| apply(&doc, u));
    let start = now_us();
    h.updates[tail..].iter().for_each(|u| apply(&doc, u));
    *tail_us = tail_us.min((now_us() - start) / (h.updates.len() - tail) as f64);
    doc
}

fn relay_all(h: &History) -> Doc {
    let doc = doc_new();
    doc.observe_update_v1("bench", |_, event| {
        std::hint::black_box(event.update.len());
    })
    .expect("an observer");
    h.updates.iter().for_each(|u| apply(&doc, u));
    doc
}

fn load(update: &[u8]) -> Doc {
    let doc = doc_new();
    apply(&doc, update);
    doc
}

fn report(h: &History) -> String {
    let before = USED.load(Relaxed);
    let doc = apply_all(h, &mut f64::MAX.clone());
    let memory = USED.load(Relaxed) - before;
    let encode = |since: &StateVector| doc.transact().encode_state_as_update_v1(since);
    let vector = || doc.transact().state_vector().encode_v1();
    let state = encode(&StateVector::default());
    let before = USED.load(Relaxed);
    let loaded = load(&state);
    let memory_loaded = USED.load(Relaxed) - before;
    drop(loaded);
    let relay = measure(|| relay_all(h)) / h.updates.len() as f64;
    let load_merged = measure(|| load(&h.merged));
    let load_state = measure(|| load(&state));
    let encode_us = measure(|| {
        (0..ENCODES).for_each(|_| drop(std::hint::black_box(encode(&StateVector::default()))));
    }) / ENCODES as f64;
    let difference = measure(|| {
        (0..ENCODES).for_each(|_| {
            let since = StateVector::decode_v1(&h.behind).expect("a state vector");
            drop(std::hint::black_box(encode(&since)))
        });
    }) / ENCODES as f64;
    let vector_us = measure(|| {
        (0..VECTORS).for_each(|_| drop(std::hint::black_box(vector())));
    }) / VECTORS as f64;
    let last = &h.updates[h.updates.len().saturating_sub(MERGED)..];
    let merge = measure(|| yrs::merge_updates_v1(last).expect("they merge"));
    format!(
        ",\"stateBytes\":{},\"vectorBytes\":{},\"memory\":{memory},\"memoryLoaded\":{memory_loaded},\
         \"relay\":{relay:.4},\"loadMerged\":{load_merged:.3},\"load\":{load_state:.3},\
         \"encode\":{encode_us:.3},\"difference\":{difference:.3},\"vector\":{vector_us:.4},\
         \"merge\":{merge:.3}",
        state.len(),
        vector().len()
    )
}

fn main() {
    let mut paths: Vec<String> = std::env::args().skip(1).collect();
    let only_apply = paths.first().is_some_and(|p| p == "--apply");
    if only_apply {
        paths.remove(0);
    }
    for path in paths {
        let h = read(&path);
        let mut tail = f64::MAX;
        let us = measure(|| apply_all(&h, &mut tail)) / h.updates.len() as f64;
        let rest = if only_apply { String::new() } else { report(&h) };
        println!("{{\"updates\":{},\"apply\":{us:.4},\"tail\":{tail:.4}{rest}}}", h.updates.len());
    }
}
