//! Takes an input apart. What is missing at its end is zero: no input is refused for being too short.

pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Input<'a> {
        Input(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        self.number::<1>() as u8
    }

    pub fn u16(&mut self) -> u16 {
        self.number::<2>() as u16
    }

    pub fn u64(&mut self) -> u64 {
        self.number::<8>()
    }

    /// At most so many bytes.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    fn number<const N: usize>(&mut self) -> u64 {
        let bytes = self.take(N);
        (0..N).fold(0, |number, i| {
            number << 8 | u64::from(bytes.get(i).copied().unwrap_or(0))
        })
    }
}
