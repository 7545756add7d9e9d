//! The event triggers of an environment.

use super::environment::UsageEnvironment;
use super::event::Event;
use super::id::{EventKey, MediumHandle};
use super::trigger::{EventTrigger, Target};
use crate::arena::RawId;

impl UsageEnvironment {
    /// Creates a trigger. Its handler is called with the number of calls of the trigger since the
    /// handler last ran. There may be any number of triggers.
    pub fn create_event_trigger(
        &mut self,
        handler: impl FnMut(&mut Self, u64) + 'static,
    ) -> EventTrigger {
        self.triggers.insert(Target::Handler(Some(Box::new(handler))))
    }

    /// Creates a trigger that a medium receives as [`Event::Trigger`] with `key`. It ends with the
    /// medium. If the medium has ended or belongs to another environment, the trigger is
    /// [detached](EventTrigger::detached).
    pub fn create_medium_trigger(&mut self, owner: MediumHandle, key: EventKey) -> EventTrigger {
        let trigger = self.triggers.insert(Target::Medium { owner, key });
        if !self.media.own_trigger(owner, trigger.id()) {
            self.triggers.remove(trigger.id());
            return EventTrigger::detached();
        }
        trigger
    }

    /// Deletes a trigger; its clones have no effect from now on. Returns false if it has been
    /// deleted before or belongs to another environment.
    pub fn delete_event_trigger(&mut self, trigger: &EventTrigger) -> bool {
        let Some(target) = self.triggers.end(trigger) else { return false };
        if let Target::Medium { owner, .. } = target {
            self.media.disown_trigger(owner, trigger.id());
        }
        true
    }

    /// Calls the handlers of the triggers that have been called.
    pub(super) fn dispatch_triggers(&mut self) {
        let taken = self.triggers.begin();
        for id in &taken {
            self.dispatch_trigger(*id);
        }
        self.triggers.finish(taken);
    }

    fn dispatch_trigger(&mut self, id: RawId) {
        let Some((count, target)) = self.triggers.take(id) else { return };
        self.statistics.events += 1;
        match target {
            Target::Medium { owner, key } => {
                let (owner, key) = (*owner, *key);
                self.deliver(owner, Event::Trigger { key, count });
            }
            Target::Handler(handler) => {
                let Some(mut running) = handler.take() else { return };
                running(self, count);
                self.triggers.put_back(id, running);
            }
        }
    }
}
