//! What a check may cost.
//!
//! A push of a few kilobytes can have commits that differ in millions of paths from each other. Paths
//! are counted rather than seconds, so that the same push is refused on every machine; the deadline
//! of the fetch ends whatever takes too long in another way.

use crate::mirror::ObjectError;

/// The bytes of folders whose reading costs as much as comparing a path.
const FOLDER_BYTES: usize = 4 << 10;

/// The number of paths after which the time is looked at.
const PACE: usize = 1 << 10;

/// What a check may cost.
#[derive(Clone, Copy)]
pub(in crate::mirror) struct CheckLimits<'a> {
    /// The most paths at which the commits between the mirror and the tip may differ, together.
    pub(in crate::mirror) paths: usize,
    /// Returns whether there is time left.
    pub(in crate::mirror) goes_on: &'a dyn Fn() -> bool,
}

/// Why what was received may not enter the mirror.
#[derive(Debug, thiserror::Error)]
pub(in crate::mirror) enum CheckError {
    /// An object is missing or invalid.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The commits between the mirror and the tip differ in more paths than may be compared.
    #[error(
        "the commits in between differ in more than {limit} paths together; they are not requested \
         again for a day"
    )]
    TooManyPaths {
        /// The limit.
        limit: usize,
    },
    /// The time of the fetch is over.
    #[error("the check took too long")]
    TimedOut,
}

/// What a check has cost so far.
pub(super) struct Spent<'a> {
    limits: CheckLimits<'a>,
    /// The paths that were compared.
    paths: usize,
    /// The files and paths since the time was looked at.
    untimed: usize,
}

impl<'a> Spent<'a> {
    pub(super) fn of(limits: CheckLimits<'a>) -> Self {
        Self { limits, paths: 0, untimed: 0 }
    }

    /// Checks whether there is time left.
    pub(super) fn in_time(&self) -> Result<(), CheckError> {
        if (self.limits.goes_on)() { Ok(()) } else { Err(CheckError::TimedOut) }
    }

    /// Counts a step, of which a check may have any number, in time.
    pub(super) fn step(&mut self) -> Result<(), CheckError> {
        self.untimed += 1;
        if self.untimed < PACE {
            return Ok(());
        }
        self.untimed = 0;
        self.in_time()
    }

    /// Counts a path that is compared.
    pub(super) fn path(&mut self) -> Result<(), CheckError> {
        self.paths(1)?;
        self.step()
    }

    /// Counts folders that are compared, by their bytes.
    pub(super) fn folders(&mut self, bytes: usize) -> Result<(), CheckError> {
        self.paths(bytes / FOLDER_BYTES)?;
        self.in_time()
    }

    fn paths(&mut self, count: usize) -> Result<(), CheckError> {
        #[cfg(test)]
        crate::mirror::testing::count_paths(count);
        let limit = self.limits.paths;
        self.paths += count;
        if self.paths > limit { Err(CheckError::TooManyPaths { limit }) } else { Ok(()) }
    }
}
