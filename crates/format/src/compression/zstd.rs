//! Zstandard frames. The library's contexts are large and slow to make, so each thread keeps its own.

use std::cell::RefCell;

use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd::zstd_safe::{
    CCtx, CParameter, DCtx, InBuffer, OutBuffer, ResetDirective, compress_bound, get_error_name,
    get_frame_content_size,
};

use super::Failure;

/// Kafka's default.
const LEVEL: i32 = 3;
/// How much to make room for ahead of decompressing, as a multiple of the input: a claimed size beyond it is
/// reached step by step.
const TRUSTED_RATIO: usize = 32;
const STEP: usize = 64 << 10;

thread_local! {
    static COMPRESSOR: RefCell<Option<CCtx<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<DCtx<'static>>> = const { RefCell::new(None) };
}

pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let mut context = match COMPRESSOR.try_with(|kept| kept.try_borrow_mut().ok()?.take()) {
        Ok(Some(context)) => context,
        _ => new_compressor()?,
    };
    context
        .reset(ResetDirective::SessionOnly)
        .map_err(describe)?;
    let start = out.len();
    out.reserve(compress_bound(input.len()));
    let mut output = OutBuffer::around_pos(out, start);
    let left = context
        .compress_stream2(
            &mut output,
            &mut InBuffer::around(input),
            ZSTD_EndDirective::ZSTD_e_end,
        )
        .map_err(describe)?;
    if left > 0 {
        return Err("the output is larger than it can be".to_owned());
    }
    // Without the thread's slot, at the end of its life, the context is simply dropped.
    let _ = COMPRESSOR.try_with(|kept| kept.try_borrow_mut().map(|mut kept| *kept = Some(context)));
    Ok(())
}

fn new_compressor() -> Result<CCtx<'static>, String> {
    let mut context = CCtx::try_create().ok_or("out of memory")?;
    context
        .set_parameter(CParameter::CompressionLevel(LEVEL))
        .map_err(describe)?;
    Ok(context)
}

pub(super) fn decompress(input: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), Failure> {
    let mut context = match DECOMPRESSOR.try_with(|kept| kept.try_borrow_mut().ok()?.take()) {
        Ok(Some(context)) => context,
        _ => DCtx::try_create().ok_or_else(|| Failure::data("out of memory"))?,
    };
    context
        .reset(ResetDirective::SessionOnly)
        .map_err(|code| Failure::Data(describe(code)))?;
    let done = run(&mut context, input, out, limit);
    let _ =
        DECOMPRESSOR.try_with(|kept| kept.try_borrow_mut().map(|mut kept| *kept = Some(context)));
    done
}

fn run(
    context: &mut DCtx<'_>,
    input: &[u8],
    out: &mut Vec<u8>,
    limit: usize,
) -> Result<(), Failure> {
    let start = out.len();
    let trusted = input.len().saturating_mul(TRUSTED_RATIO).max(STEP);
    let claimed = match get_frame_content_size(input) {
        Ok(Some(size)) => usize::try_from(size).unwrap_or(usize::MAX),
        _ => STEP,
    };
    // One byte over the limit shows that it was crossed.
    out.reserve(claimed.min(trusted).min(limit.saturating_add(1)));
    let mut input = InBuffer::around(input);
    loop {
        if out.len() == out.capacity() {
            out.reserve((out.len() - start).clamp(STEP, limit.max(STEP)));
        }
        let before = (out.len(), input.pos());
        let position = out.len();
        let mut output = OutBuffer::around_pos(out, position);
        let wanted = context
            .decompress_stream(&mut output, &mut input)
            .map_err(|code| Failure::Data(describe(code)))?;
        if out.len() - start > limit {
            return Err(Failure::TooLarge);
        }
        let ended = input.pos() == input.src.len();
        if wanted == 0 && ended {
            return Ok(());
        }
        let stuck = (out.len(), input.pos()) == before;
        if (ended || stuck) && out.len() < out.capacity() {
            return Err(Failure::data("the frame is cut short"));
        }
    }
}

fn describe(code: usize) -> String {
    get_error_name(code).to_owned()
}
