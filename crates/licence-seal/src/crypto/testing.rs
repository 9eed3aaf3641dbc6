//! What the tests of several rooms need of this one.

use std::convert::Infallible;

use rsa::rand_core::{TryCryptoRng, TryRng};

use super::{Random, SeededRandom};

/// Our randomness, as the rsa crate takes it.
pub struct RsaRandom(pub SeededRandom);

impl TryRng for RsaRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let random: &dyn Random = &self.0;
        Ok(u32::from_be_bytes(random.bytes().unwrap()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let random: &dyn Random = &self.0;
        Ok(u64::from_be_bytes(random.bytes().unwrap()))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(to).unwrap();
        Ok(())
    }
}

impl TryCryptoRng for RsaRandom {}
