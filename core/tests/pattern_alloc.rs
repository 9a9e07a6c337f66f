//! Matching allocates nothing for patterns with few holes.

use krarup::pattern::Pattern;
use krarup::text::parse_term;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: all work is the system allocator's; counting touches a thread-local that needs no allocation and no drop.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|c| c.set(c.get() + 1));
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn matching_allocates_nothing_for_few_holes() {
    let message =
        parse_term("{'$gen_call', {1, [alias|2]}, {allocate, [a,b,c,d], #{size => 10}, \"text\", <<\"binary\">>}}")
            .unwrap();
    let cases = [
        "{'$gen_call', {From:int, [alias|Tag]}, Request}",
        "{'$gen_call', _, {allocate, [A, B | Rest], #{size := Size:int}, Text:list, Bin:binary}}",
        "{'$gen_call', {X, [alias|_]}, {allocate, [_, _, C, D], #{}, _, <<\"binary\">>}}",
        "{'$gen_cast', Request}",
        "{A, B, C, D}",
    ];
    for text in cases {
        let pattern = Pattern::compile(text).unwrap();
        let bound = pattern.holes().next().map(|_| pattern.clone());
        let bound = bound.and_then(|p| p.bind("From", 1).ok());
        let before = COUNT.with(Cell::get);
        let mut found = 0;
        for _ in 0..10 {
            if let Some(bindings) = pattern.matches(&message) {
                found += bindings.len();
            }
            if let Some(bound) = &bound {
                found += usize::from(bound.is_match(&message));
            }
        }
        assert_eq!(COUNT.with(Cell::get), before, "{text} ({found})");
    }
}
