from kith.service import main
from service_desk.app import SERVICE

main(SERVICE)
