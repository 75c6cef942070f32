"""Actions as other programs take them: pyautogui scripts, AndroidWorld's JSON actions, BrowserGym's action strings."""
