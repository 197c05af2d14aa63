"""The language of the person (R57)."""

from django.utils import translation


def language_of_user(get_response):
    """Speak the language chosen by the person; to strangers the one of their cookie or browser."""

    def middleware(request):
        user = request.user
        language = (
            user.language
            if user.is_authenticated
            else translation.get_language_from_request(request)
        )
        with translation.override(language):
            request.LANGUAGE_CODE = translation.get_language()
            response = get_response(request)
            response.headers.setdefault("Content-Language", request.LANGUAGE_CODE)
            return response

    return middleware
