//! Fibers and takeovers: a fiber resumes only on the thread where it began, whatever its thread has lost.

use krarup::{Code, Message, Node};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

/// Fibers that pause just as the watchdog takes their thread's seat: the takeover and the pause cross.
#[test]
fn a_fiber_stays_at_home_when_its_thread_loses_its_seat() {
    const FIBERS: u64 = 400;
    let node = Node::builder().workers(1).overstay_ms(1).start().unwrap();
    let strays = Arc::new(AtomicUsize::new(0));
    let mut me = node.attach().unwrap();
    let my_pid = me.self_pid();
    for n in 0..FIBERS {
        let strays = strays.clone();
        // SAFETY: holds nothing over its waits.
        let code = unsafe {
            Code::assume_fiber_safe(move |c| {
                let home = std::thread::current().id();
                // Takeovers come a tick or two after the slice began.
                let busy = Instant::now() + Duration::from_micros(900 + n * 7919 % 1500);
                while Instant::now() < busy {
                    std::hint::spin_loop();
                }
                let _ = c.receive(Some(1));
                strays.fetch_add(usize::from(std::thread::current().id() != home), SeqCst);
                c.send(my_pid, 1i64);
                Ok(())
            })
        };
        node.spawn(code).unwrap();
        if n % 4 == 3 {
            for _ in 0..4 {
                assert!(matches!(me.receive(Some(30_000)), Ok(Message::Term(_))));
            }
        }
    }
    let taken = node.counts().long_schedules;
    println!("{taken} seats taken");
    assert_eq!(strays.load(SeqCst), 0, "resumed on another thread");
    assert!(taken > 0, "the test shows nothing");
}
