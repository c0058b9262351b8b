from kith.process import main
from service_desk.service import SERVICE

main(SERVICE)
