//! The media of an environment: adding, calling, finding and closing them.

use super::environment::{Medium, UsageEnvironment};
use super::event::Event;
use super::id::{MediumHandle, MediumId};
use super::media::{Absent, Closing};
use std::fmt;
use std::io;

/// The reason for which a medium was not called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum MediumError {
    /// The medium has ended, or belongs to another environment.
    Ended,
    /// The medium is being called already: the present call originates from it.
    BeingCalled,
}

impl fmt::Display for MediumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "the medium has ended",
            Self::BeingCalled => "the medium is being called already",
        })
    }
}

impl std::error::Error for MediumError {}

impl From<MediumError> for io::Error {
    fn from(e: MediumError) -> Self {
        let kind = match e {
            MediumError::Ended => io::ErrorKind::NotFound,
            MediumError::BeingCalled => io::ErrorKind::WouldBlock,
        };
        Self::new(kind, e)
    }
}

impl From<MediumError> for crate::error::Error {
    fn from(e: MediumError) -> Self {
        Self::Usage(match e {
            MediumError::Ended => "the medium has ended",
            MediumError::BeingCalled => "the medium is being called already",
        })
    }
}

impl From<Absent> for MediumError {
    fn from(absent: Absent) -> Self {
        match absent {
            Absent::Ended => Self::Ended,
            Absent::BeingCalled => Self::BeingCalled,
        }
    }
}

impl UsageEnvironment {
    /// Adds a medium to the environment. [`Medium::on_added`] is called before this returns.
    ///
    /// The medium gets the name that it requests ([`Medium::name`]), unless another medium has it:
    /// then it gets a unique name, and a warning is logged. [`medium_name`](Self::medium_name)
    /// returns the actual name.
    pub fn add<M: Medium>(&mut self, medium: M) -> MediumId<M> {
        let medium = Box::new(medium);
        let wish = medium.name().map(str::to_owned);
        let handle = self.media.insert(wish.as_deref(), medium);
        // It has just been put there, so it can be called.
        let _ = self.call(handle, |medium, env| medium.on_added(env, handle));
        MediumId::new(handle)
    }

    /// Closes a medium: it is removed from the table, [`Medium::on_close`] is called, and it is
    /// dropped. If it is being called at the moment, this happens as soon as the call returns.
    /// Returns false if it has been closed before or belongs to another environment.
    pub fn close(&mut self, id: impl Into<MediumHandle>) -> bool {
        let handle = id.into();
        match self.media.close(handle) {
            Closing::Ended => false,
            Closing::Later => true,
            Closing::Now(medium) => {
                self.finish(handle, medium);
                true
            }
        }
    }

    /// Closes all media, from the highest slot of the table down.
    pub fn close_all(&mut self) {
        let mut handles: Vec<MediumHandle> = self.media.handles().collect();
        while let Some(handle) = handles.pop() {
            self.close(handle);
        }
    }

    /// Removes the entry from the table, then calls [`Medium::on_close`].
    fn finish(&mut self, handle: MediumHandle, mut medium: Box<dyn Medium>) {
        for trigger in self.media.remove(handle) {
            self.triggers.remove(trigger);
        }
        self.media.depth += 1;
        medium.on_close(self);
        self.media.depth -= 1;
    }

    /// Calls a medium, which is moved out of its slot during the call.
    fn call<R>(
        &mut self,
        handle: MediumHandle,
        f: impl FnOnce(&mut dyn Medium, &mut Self) -> R,
    ) -> Result<R, MediumError> {
        let mut medium = self.media.take(handle)?;
        self.media.depth += 1;
        let result = f(&mut *medium, self);
        self.media.depth -= 1;
        if let Some(medium) = self.media.put_back(handle, medium) {
            self.finish(handle, medium);
        }
        Ok(result)
    }

    /// Delivers an event to a medium; returns false if the medium has ended.
    pub(super) fn deliver(&mut self, owner: MediumHandle, event: Event) -> bool {
        self.call(owner, |medium, env| medium.handle_event(env, event)).is_ok()
    }

    /// Returns a medium; `None` if it has ended, is being called, or belongs to another
    /// environment.
    pub fn medium<M: Medium>(&self, id: MediumId<M>) -> Option<&M> {
        self.media.present(id.handle())?.as_any().downcast_ref()
    }

    /// Returns a medium mutably; `None` if it has ended, is being called, or belongs to another
    /// environment.
    pub fn medium_mut<M: Medium>(&mut self, id: MediumId<M>) -> Option<&mut M> {
        self.media.present_mut(id.handle())?.as_any_mut().downcast_mut()
    }

    /// Calls `f` with the medium and the environment, and returns its result. If that is a `Result`
    /// itself, `??` propagates both errors:
    ///
    /// ```
    /// use riverrun::env::{Event, Medium, UsageEnvironment};
    ///
    /// struct Camera {
    ///     light: Option<u32>,
    /// }
    ///
    /// impl Camera {
    ///     fn light(&self) -> Result<u32, &'static str> {
    ///         self.light.ok_or("it is dark")
    ///     }
    /// }
    ///
    /// impl Medium for Camera {
    ///     fn kind(&self) -> &'static str {
    ///         "camera"
    ///     }
    ///     fn handle_event(&mut self, _: &mut UsageEnvironment, _: Event) {}
    /// }
    ///
    /// fn light() -> Result<u32, Box<dyn std::error::Error>> {
    ///     let mut env = UsageEnvironment::new()?;
    ///     let camera = env.add(Camera { light: Some(400) });
    ///     Ok(env.with(camera, |camera, _| camera.light())??)
    /// }
    /// # assert_eq!(light().unwrap(), 400);
    /// ```
    ///
    /// # Errors
    /// The medium has ended, is being called already, or belongs to another environment. `f` is not
    /// called in these cases.
    pub fn with<M: Medium, R>(
        &mut self,
        id: MediumId<M>,
        f: impl FnOnce(&mut M, &mut Self) -> R,
    ) -> Result<R, MediumError> {
        let result = self.call(id.handle(), |medium, env| {
            medium.as_any_mut().downcast_mut().map(|medium| f(medium, env))
        })?;
        // An id has the type of the medium that it was made for.
        result.ok_or(MediumError::Ended)
    }

    /// Returns whether a medium is in this environment (it may be closing).
    pub fn contains(&self, id: impl Into<MediumHandle>) -> bool {
        self.media.contains(id.into())
    }

    /// Finds a medium by name and type. A medium that is being called is not found.
    pub fn lookup_by_name<M: Medium>(&self, name: &str) -> Option<MediumId<M>> {
        let id = MediumId::new(self.media.named(name)?);
        self.medium(id).map(|_: &M| id)
    }

    /// Returns the name of a medium; `None` if it has ended or belongs to another environment.
    pub fn medium_name(&self, id: impl Into<MediumHandle>) -> Option<&str> {
        self.media.name(id.into())
    }

    /// Returns the number of media.
    pub fn media(&self) -> usize {
        self.media.len()
    }
}
