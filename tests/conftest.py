"""What all tests share: no example of a property is judged by how long it took, since machines are busy at times."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("untimed", settings.get_profile(settings.get_current_profile_name()), deadline=None)
settings.load_profile("untimed")
