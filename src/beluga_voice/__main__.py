"""``python -m beluga_voice`` is ``beluga-voice``."""

from beluga_voice.cli import main

if __name__ == "__main__":
    main()
