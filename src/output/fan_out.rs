//! Hands one encoded stream to any number of listeners.
//!
//! In: pieces of an encoded stream, one after the other. Out: the same pieces to any number of listeners, none of whom can
//! hold up the others or the sender.
//!
//! The pieces wait in one ring; a listener is a place in it. Whoever falls out of it at the far end was too slow and is
//! told so. A listener waits as a thread or as a task: this file knows no runtime, only [`Waker`]s.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Pieces that a new listener gets at once: 12 s at 200 ms each. Its player starts at once, and a network that stalls for some
/// seconds is not heard.
pub const BURST_PIECES: usize = 60;
/// Pieces kept for those who are slow: 10 s more. Of PCM that is 4.2 MB, of Opus 250 kB, once for all listeners.
const PIECES_MAX: usize = BURST_PIECES + 50;

/// A piece of a stream.
#[derive(Clone, Debug)]
pub struct Piece {
    /// What a listener must have heard before it: told once, and again when it is another. Empty: nothing.
    pub header: Arc<[u8]>,
    /// The piece itself.
    pub bytes: Arc<[u8]>,
    /// Title of the tune that plays in it; empty before the first.
    pub title: Arc<str>,
    /// When its first frame was due.
    pub due: Instant,
}

/// The sender's end.
#[derive(Debug, Default)]
pub struct FanOut {
    ring: Mutex<Ring>,
    news: Condvar,
    listener_count: AtomicUsize,
    /// Listeners that were too slow.
    dropped_count: AtomicU64,
}

#[derive(Debug, Default)]
struct Ring {
    pieces: VecDeque<Piece>,
    /// The number of the first of them, counted from the start of the fan-out.
    first: u64,
    is_over: bool,
    /// A place for each listener that waits as a task.
    wakers: Vec<Option<Waker>>,
    free_places: Vec<usize>,
}

/// A listener: hears everything from shortly before it came.
#[derive(Debug)]
pub struct Listener {
    fan_out: Arc<FanOut>,
    next: u64,
    header: Option<Arc<[u8]>>,
    title: Arc<str>,
    begins: Option<Instant>,
    /// What was due before is not heard first.
    oldest: Option<Instant>,
    /// Where its waker is kept.
    place: usize,
}

/// Why a listener hears nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// The stream is over.
    Over,
    /// It did not keep up.
    TooSlow,
    /// Nothing came in the time it gave.
    NothingYet,
}

impl FanOut {
    /// Sends a piece to everybody. Waits for nobody.
    pub fn send(&self, piece: Piece) {
        let mut ring = self.lock();
        ring.pieces.push_back(piece);
        if ring.pieces.len() > PIECES_MAX {
            ring.pieces.pop_front();
            ring.first += 1;
        }
        self.wake(ring);
    }

    /// Forgets what was sent: a listener who comes now does not hear it. Those who are here have or wait for the next.
    pub fn forget(&self) {
        let mut ring = self.lock();
        ring.first += ring.pieces.len() as u64;
        ring.pieces.clear();
    }

    /// Nothing will be sent any more.
    pub fn end(&self) {
        let mut ring = self.lock();
        ring.is_over = true;
        self.wake(ring);
    }

    /// Listens from the last pieces on: so many, if there are, and [`BURST_PIECES`] at most.
    pub fn listen(self: &Arc<Self>, burst_pieces: usize) -> Listener {
        let mut ring = self.lock();
        let place = ring.free_places.pop().unwrap_or_else(|| {
            ring.wakers.push(None);
            ring.wakers.len() - 1
        });
        let end = ring.end();
        let burst = burst_pieces.min(BURST_PIECES) as u64;
        let next = end.saturating_sub(burst).max(ring.first);
        self.listener_count.fetch_add(1, Ordering::Relaxed);
        Listener {
            fan_out: Arc::clone(self),
            next,
            header: None,
            title: Arc::default(),
            begins: None,
            oldest: None,
            place,
        }
    }

    /// How many listen.
    pub fn listener_count(&self) -> usize {
        self.listener_count.load(Ordering::Relaxed)
    }

    /// How many were too slow so far.
    pub fn dropped_count(&self) -> u64 {
        self.dropped_count.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes after the lock is given back, so that those who wake do not wait for it.
    fn wake(&self, mut ring: MutexGuard<'_, Ring>) {
        let wakers: Vec<Waker> = ring.wakers.iter_mut().filter_map(Option::take).collect();
        drop(ring);
        self.news.notify_all();
        for waker in wakers {
            waker.wake();
        }
    }
}

impl Ring {
    fn end(&self) -> u64 {
        self.first + self.pieces.len() as u64
    }

    fn piece(&self, number: u64) -> Option<Piece> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.pieces.get(place).cloned()
    }
}

impl Listener {
    /// The title of what it heard last: the sound's own, however late it is heard.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The same, but it begins with nothing that was due before this moment: who comes first finds the ring empty, and more of
    /// the past comes into it than he asked for.
    pub fn not_before(mut self, oldest: Instant) -> Self {
        self.oldest = Some(oldest);
        self
    }

    /// When the first frame that it heard was due; `None` before that.
    pub fn begins(&self) -> Option<Instant> {
        self.begins
    }

    /// The next bytes, for a task.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Arc<[u8]>, Silence>> {
        let fan_out = Arc::clone(&self.fan_out);
        let mut ring = fan_out.lock();
        match self.take(&ring) {
            Err(Silence::NothingYet) => {}
            other => return Poll::Ready(other),
        }
        let waker = &mut ring.wakers[self.place];
        if !waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(context.waker()))
        {
            *waker = Some(context.waker().clone());
        }
        Poll::Pending
    }

    /// The next bytes, for a thread.
    ///
    /// # Errors
    /// None came within `wait_max`, or none will.
    pub fn next_within(&mut self, wait_max: Duration) -> Result<Arc<[u8]>, Silence> {
        let deadline = Instant::now() + wait_max;
        let fan_out = Arc::clone(&self.fan_out);
        let mut ring = fan_out.lock();
        loop {
            match self.take(&ring) {
                Err(Silence::NothingYet) => {}
                other => return other,
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Silence::NothingYet);
            }
            let waited = fan_out.news.wait_timeout(ring, left);
            ring = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn take(&mut self, ring: &Ring) -> Result<Arc<[u8]>, Silence> {
        if self.next < ring.first {
            self.fan_out.dropped_count.fetch_add(1, Ordering::Relaxed);
            return Err(Silence::TooSlow);
        }
        if self.begins.is_none()
            && let Some(oldest) = self.oldest
        {
            while ring
                .piece(self.next)
                .is_some_and(|piece| piece.due < oldest)
            {
                self.next += 1;
            }
        }
        let Some(piece) = ring.piece(self.next) else {
            return Err(if ring.is_over {
                Silence::Over
            } else {
                Silence::NothingYet
            });
        };
        let is_known = self
            .header
            .as_ref()
            .is_some_and(|header| Arc::ptr_eq(header, &piece.header));
        if !is_known {
            self.header = Some(Arc::clone(&piece.header));
            if !piece.header.is_empty() {
                return Ok(piece.header);
            }
        }
        self.next += 1;
        self.title = piece.title;
        self.begins.get_or_insert(piece.due);
        Ok(piece.bytes)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut ring = self.fan_out.lock();
        ring.wakers[self.place] = None;
        ring.free_places.push(self.place);
        self.fan_out.listener_count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(header: &Arc<[u8]>, number: u8) -> Piece {
        Piece {
            header: Arc::clone(header),
            bytes: [number].into(),
            title: format!("Tune {number}").into(),
            due: Instant::now(),
        }
    }

    fn hear(listener: &mut Listener) -> Vec<u8> {
        let mut heard = Vec::new();
        while let Ok(bytes) = listener.next_within(Duration::ZERO) {
            heard.extend_from_slice(&bytes);
        }
        heard
    }

    #[test]
    fn a_new_listener_gets_the_header_and_a_burst_and_each_new_header_once() {
        let fan_out = Arc::new(FanOut::default());
        let (first, second): (Arc<[u8]>, Arc<[u8]>) =
            (b"A".as_slice().into(), b"B".as_slice().into());
        for number in 0..200 {
            fan_out.send(piece(&first, number));
        }
        let (mut listener, mut hasty) = (fan_out.listen(BURST_PIECES), fan_out.listen(2));
        fan_out.send(piece(&second, 200));
        fan_out.send(piece(&second, 201));
        let mut wanted = b"A".to_vec();
        wanted.extend(200 - BURST_PIECES as u8..200);
        wanted.extend(b"B");
        wanted.extend(200..202);
        assert_eq!(hear(&mut listener), wanted);
        assert_eq!(listener.title(), "Tune 201");
        assert_eq!(hear(&mut hasty), [b'A', 198, 199, b'B', 200, 201]);
        fan_out.end();
        assert_eq!(listener.next_within(Duration::ZERO), Err(Silence::Over));
    }

    #[test]
    fn who_comes_first_hears_no_more_of_the_past_than_he_asked_for() {
        let fan_out = Arc::new(FanOut::default());
        let header: Arc<[u8]> = b"H".as_slice().into();
        let now = Instant::now();
        let mut listener = fan_out.listen(2).not_before(now);
        for number in 0..4 {
            fan_out.send(Piece {
                due: now + Duration::from_secs(number) - Duration::from_secs(2),
                ..piece(&header, number as u8) // lossless: below 4
            });
        }
        assert_eq!(hear(&mut listener), b"H\x02\x03");
        assert_eq!(listener.begins(), Some(now));
    }

    #[test]
    fn a_listener_that_sleeps_is_dropped_and_the_others_hear_everything() {
        let fan_out = Arc::new(FanOut::default());
        let header: Arc<[u8]> = b"H".as_slice().into();
        let (mut asleep, mut awake) = (fan_out.listen(BURST_PIECES), fan_out.listen(BURST_PIECES));
        let mut heard = Vec::new();
        for number in 0..=PIECES_MAX as u8 {
            fan_out.send(piece(&header, number));
            heard.extend(hear(&mut awake));
        }
        assert_eq!(heard.len(), 1 + 1 + PIECES_MAX);
        assert_eq!(asleep.next_within(Duration::ZERO), Err(Silence::TooSlow));
        assert_eq!((fan_out.listener_count(), fan_out.dropped_count()), (2, 1));
        drop(asleep);
        assert_eq!(fan_out.listener_count(), 1);
    }

    #[test]
    fn a_task_is_woken_once_and_its_place_is_used_again() {
        struct Count(AtomicUsize);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        let mut context = Context::from_waker(&waker);
        let fan_out = Arc::new(FanOut::default());
        let mut listener = fan_out.listen(BURST_PIECES);
        assert!(listener.poll_next(&mut context).is_pending());
        assert!(listener.poll_next(&mut context).is_pending());
        fan_out.send(piece(&Arc::default(), 1));
        fan_out.send(piece(&b"H".as_slice().into(), 2));
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        drop(listener);
        let _other = fan_out.listen(BURST_PIECES);
        assert_eq!(fan_out.lock().wakers.len(), 1);
    }

    #[test]
    fn a_listener_who_had_heard_everything_is_not_too_slow_after_a_pause() {
        let fan_out = Arc::new(FanOut::default());
        let header: Arc<[u8]> = b"H".as_slice().into();
        fan_out.send(piece(&header, 1));
        let mut listener = fan_out.listen(BURST_PIECES);
        assert_eq!(hear(&mut listener), b"H\x01");
        fan_out.forget();
        fan_out.send(piece(&header, 2));
        assert_eq!(hear(&mut listener), b"\x02");
    }
}
